import { SconceError } from '@sconce/errors';
import * as z from 'zod';
import { LOG_LEVELS } from './logger.ts';

/** Settings of logs, traces and metrics of a process. `telemetryConfigFromEnv` reads them. */
export const telemetryConfigSchema = z.strictObject({
  /** Replaces the program's service name. */
  service: z.string().min(1).optional(),
  logLevel: z.enum(LOG_LEVELS).default('info'),
  traces: z
    .strictObject({
      exporter: z.enum(['none', 'otlp']).default('none'),
      /** Full URL to which spans are posted. */
      endpoint: z.url({ protocol: /^https?$/ }).default('http://localhost:4318/v1/traces'),
      protocol: z.enum(['http/json', 'http/protobuf']).default('http/protobuf'),
      headers: z.record(z.string(), z.string()).default({}),
      /** Share of new traces that are recorded, 0…1. A caller's own decision (traceparent) always holds. */
      sampleRatio: z.number().min(0).max(1).default(1),
      /** Most new traces of this process in a second. Default: no limit. */
      maxPerSecond: z.number().int().positive().optional(),
    })
    .prefault({}),
});

export type TelemetryConfig = z.infer<typeof telemetryConfigSchema>;

type Env = Readonly<Record<string, string | undefined>>;

/** Sampler names of the OpenTelemetry specification and their ratio. All behave as if they had the `parentbased_` prefix. */
const SAMPLER_RATIOS: Readonly<Record<string, (argument: string | undefined) => number>> = {
  always_on: () => 1,
  always_off: () => 0,
  traceidratio: (argument) => (argument === undefined ? 1 : Number(argument)),
};

/**
 * Reads OpenTelemetry's standard variables, SCONCE_LOG_LEVEL and SCONCE_TRACES_PER_SECOND from `env`. An empty value counts as not set.
 * Spans are exported if an endpoint is set or OTEL_TRACES_EXPORTER is `otlp`, and never if OTEL_SDK_DISABLED is true.
 * @throws SconceError `invalid_request` that names the variable.
 */
export function telemetryConfigFromEnv(env: Env): TelemetryConfig {
  const read = (name: string): string | undefined => (env[name]?.trim() === '' ? undefined : env[name]?.trim());
  const first = (...names: readonly string[]): string | undefined =>
    names.map(read).find((value) => value !== undefined);
  const protocol = first('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL');
  if (protocol === 'grpc') {
    throw invalid('OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc is not supported: use http/protobuf (port 4318) or http/json');
  }
  const endpoint = readEndpoint(read);
  const parsed = telemetryConfigSchema.safeParse({
    service: read('OTEL_SERVICE_NAME'),
    logLevel: read('SCONCE_LOG_LEVEL')?.toLowerCase(),
    traces: {
      exporter: readExporter(read, endpoint),
      endpoint,
      protocol,
      headers: readHeaders(first('OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'OTEL_EXPORTER_OTLP_HEADERS')),
      sampleRatio: readSampleRatio(read),
      maxPerSecond: numberOrUndefined(read('SCONCE_TRACES_PER_SECOND')),
    },
  });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') ?? '';
  throw invalid(VARIABLE_OF[field] ?? field, issue?.message ?? 'not valid');
}

const VARIABLE_OF: Readonly<Record<string, string>> = {
  logLevel: 'SCONCE_LOG_LEVEL',
  'traces.exporter': 'OTEL_TRACES_EXPORTER',
  'traces.endpoint': 'OTEL_EXPORTER_OTLP_ENDPOINT',
  'traces.protocol': 'OTEL_EXPORTER_OTLP_PROTOCOL',
  'traces.sampleRatio': 'OTEL_TRACES_SAMPLER_ARG',
  'traces.maxPerSecond': 'SCONCE_TRACES_PER_SECOND',
};

function numberOrUndefined(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function readExporter(read: (name: string) => string | undefined, endpoint: string | undefined): string {
  if (read('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return 'none';
  return read('OTEL_TRACES_EXPORTER') ?? (endpoint === undefined ? 'none' : 'otlp');
}

/** The variable for traces is the full URL. The general variable is a base URL, to which `/v1/traces` is added. */
function readEndpoint(read: (name: string) => string | undefined): string | undefined {
  const base = read('OTEL_EXPORTER_OTLP_ENDPOINT');
  return read('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') ?? (base && `${base.replace(/\/+$/, '')}/v1/traces`);
}

function readSampleRatio(read: (name: string) => string | undefined): number | undefined {
  const sampler = read('OTEL_TRACES_SAMPLER');
  if (sampler === undefined) return undefined;
  const kind = sampler.replace(/^parentbased_/, '');
  const ratio = Object.hasOwn(SAMPLER_RATIOS, kind) ? SAMPLER_RATIOS[kind] : undefined;
  if (ratio === undefined) {
    throw invalid('OTEL_TRACES_SAMPLER', `unknown sampler ${sampler}: use always_on, always_off or traceidratio`);
  }
  return ratio(read('OTEL_TRACES_SAMPLER_ARG'));
}

/** Reads `name=value,name2=value2`, with percent-encoded values. */
function readHeaders(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined) return undefined;
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name, value] = /^\s*([^=\s]+)\s*=(.*)$/.exec(pair) ?? [];
      try {
        if (name !== undefined && value !== undefined) return [name, decodeURIComponent(value.trim())];
      } catch {
        // The value is not percent-encoded. It may be a secret, so the error below does not show it.
      }
      throw invalid('OTEL_EXPORTER_OTLP_HEADERS', 'expected name=value pairs separated by commas, values URL-encoded');
    }),
  );
}

function invalid(variable: string, reason: string): SconceError {
  return new SconceError('invalid_request', `environment variable ${variable}: ${reason}`, {
    details: { param: variable },
  });
}
