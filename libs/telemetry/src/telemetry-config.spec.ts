import { describe, expect, it } from 'vitest';
import { telemetryConfigFromEnv } from './index.ts';

const ENDPOINT = 'http://localhost:4318/v1/traces';
const DEFAULTS = {
  logLevel: 'info',
  traces: { exporter: 'none', endpoint: ENDPOINT, protocol: 'http/protobuf', headers: {}, sampleRatio: 1 },
};

type Env = Record<string, string | undefined>;

describe('telemetryConfigFromEnv', () => {
  it.each<[Env, object]>([
    [{}, {}],
    [{ OTEL_SERVICE_NAME: '', OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, {}],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, { exporter: 'otlp', endpoint: 'http://c:4318/v1/traces' }],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c/base/' }, { exporter: 'otlp', endpoint: 'http://c/base/v1/traces' }],
    [
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://t/x', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c' },
      { exporter: 'otlp', endpoint: 'https://t/x' },
    ],
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, { exporter: 'otlp' }],
    [
      { OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c' },
      { exporter: 'none', endpoint: 'http://c/v1/traces' },
    ],
    [{ OTEL_SDK_DISABLED: 'TRUE', OTEL_TRACES_EXPORTER: 'otlp' }, { exporter: 'none' }],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }, { protocol: 'http/json' }],
    [
      { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      { protocol: 'http/protobuf' },
    ],
    [
      { OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Basic%20YQ==, x-tenant = b ,' },
      { headers: { Authorization: 'Basic YQ==', 'x-tenant': 'b' } },
    ],
    [{ OTEL_TRACES_SAMPLER: 'always_off' }, { sampleRatio: 0 }],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_always_on', OTEL_TRACES_SAMPLER_ARG: '0.1' }, { sampleRatio: 1 }],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' }, { sampleRatio: 0.25 }],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio' }, { sampleRatio: 1 }],
    [{ SCONCE_TRACES_PER_SECOND: '5' }, { maxPerSecond: 5 }],
  ])('reads %j', (env, traces) => {
    expect(telemetryConfigFromEnv(env)).toEqual({ ...DEFAULTS, traces: { ...DEFAULTS.traces, ...traces } });
  });

  it('reads the service name and the log level', () => {
    const env = { OTEL_SERVICE_NAME: 'mine', SCONCE_LOG_LEVEL: 'DEBUG' };
    expect(telemetryConfigFromEnv(env)).toMatchObject({ service: 'mine', logLevel: 'debug' });
  });

  it.each<[Env, string]>([
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'OTEL_EXPORTER_OTLP_PROTOCOL'],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'udp' }, 'OTEL_EXPORTER_OTLP_PROTOCOL'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    [{ OTEL_TRACES_EXPORTER: 'zipkin' }, 'OTEL_TRACES_EXPORTER'],
    [{ OTEL_TRACES_SAMPLER: 'jaeger_remote' }, 'OTEL_TRACES_SAMPLER'],
    [{ OTEL_TRACES_SAMPLER: 'toString' }, 'OTEL_TRACES_SAMPLER'],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' }, 'OTEL_TRACES_SAMPLER_ARG'],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: 'half' }, 'OTEL_TRACES_SAMPLER_ARG'],
    [{ SCONCE_TRACES_PER_SECOND: 'few' }, 'SCONCE_TRACES_PER_SECOND'],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'secret' }, 'OTEL_EXPORTER_OTLP_HEADERS'],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'k=%zz' }, 'OTEL_EXPORTER_OTLP_HEADERS'],
    [{ SCONCE_LOG_LEVEL: 'loud' }, 'SCONCE_LOG_LEVEL'],
  ])('refuses %j and names the variable', (env, param) => {
    expect(() => telemetryConfigFromEnv(env)).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: { param } }) as Error,
    );
  });
});
