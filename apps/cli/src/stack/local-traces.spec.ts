import { expect, it } from 'vitest';
import { startLocalTraces } from './local-traces.ts';

it('keeps traces: a few new ones a second, or as many as the environment says', async () => {
  const traces = await startLocalTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: ' ', SCONCE_TRACES_PER_SECOND: '100' });
  expect(traces.env).toEqual({
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/v1\/traces$/) as string,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    SCONCE_TRACE_URL: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
  });
  const url = `${traces.env['SCONCE_TRACE_URL']}/api/traces/${'a'.repeat(32)}`;
  expect((await fetch(url, { headers: { connection: 'close' } })).status).toBe(404);
  await traces.stop();
  const other = await startLocalTraces({});
  expect(other.env).toMatchObject({ SCONCE_TRACES_PER_SECOND: '5' });
  await other.stop();
});

it.each([
  { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://mine:4318' },
  { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://mine:4318/v1/traces' },
  { OTEL_TRACES_EXPORTER: 'none' },
  { OTEL_SDK_DISABLED: 'true' },
])('keeps no traces if the environment says where they go: %j', async (env) => {
  const traces = await startLocalTraces(env);
  expect(traces.env).toEqual({});
  await traces.stop();
});
