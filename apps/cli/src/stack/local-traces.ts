import { startOtlpCollector } from '@sconce/trace-view';

/** Spans kept: at most some 20 MB, and at the rate below at least a quarter of an hour. */
const MAX_SPANS = 20_000;
/** Tracing every request of a load would cost as much as serving it. */
const TRACES_PER_SECOND = '5';

/** Where the user says what becomes of traces. */
const USERS_OWN = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_TRACES_EXPORTER',
  'OTEL_SDK_DISABLED',
] as const;

/** What keeps the traces of the local stack. */
export interface LocalTraces {
  /** For the API and the workers. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/**
 * Keeps the local stack's latest traces in this process, for `sconce trace`: some new ones a second, and what callers trace themselves.
 * Where the environment says where traces go, nothing is kept here.
 */
export async function startLocalTraces(env: Readonly<Record<string, string | undefined>>): Promise<LocalTraces> {
  const isSet = (name: string): boolean => (env[name] ?? '').trim() !== '';
  if (USERS_OWN.some(isSet)) return { env: {}, stop: () => Promise.resolve() };
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
