import { startOtlpCollector } from '@sconce/trace-view';

/** Spans that are kept: about 20 MB at most. At the rate below, these are the traces of 15 minutes or more. */
const MAX_SPANS = 20_000;
/** To trace every request under load would cost as much as to serve it. */
const TRACES_PER_SECOND = '5';

/** Variables with which a user decides where traces go. */
const TRACE_VARIABLES = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_TRACES_EXPORTER',
  'OTEL_SDK_DISABLED',
] as const;

/** The trace store of the local stack. */
export interface LocalTraces {
  /** Environment variables for the API and the workers. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/**
 * Keeps the latest traces of the local stack in this process, for `sconce trace`: some new ones a second, and all that
 * callers ask for. If the environment says where traces go, nothing is kept here.
 */
export async function startLocalTraces(env: Readonly<Record<string, string | undefined>>): Promise<LocalTraces> {
  const isSet = (name: string): boolean => (env[name] ?? '').trim() !== '';
  if (TRACE_VARIABLES.some(isSet)) return { env: {}, stop: () => Promise.resolve() };
  const collector = await startOtlpCollector({ maxSpans: MAX_SPANS });
  return {
    env: {
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
      SCONCE_TRACE_URL: collector.queryUrl,
      ...(isSet('SCONCE_TRACES_PER_SECOND') ? {} : { SCONCE_TRACES_PER_SECOND: TRACES_PER_SECOND }),
    },
    stop: () => collector.stop(),
  };
}
