import { afterEach, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import type { DeliveredRequest } from '@sconce/queue';
import { createLogger, startTelemetry, type Telemetry } from '@sconce/telemetry';
import { InferenceProcessor } from './inference.processor.ts';

let telemetry: Telemetry;
afterEach(() => telemetry.shutdown());

it('logs a failed request with its trace, at the level of its error', async () => {
  const traces = { exporter: 'none', endpoint: '', protocol: 'http/json', headers: {}, sampleRatio: 1 } as const;
  telemetry = await startTelemetry({ service: 'worker', version: '0', instanceId: 'i', traces });
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  const logger = createLogger({ service: 'worker', level: 'debug', destination });
  const models = { find: () => Promise.reject(new SconceError('model_corrupt', 'not what was proved')) };
  const statistics = { recordRequest: () => undefined };
  const processor = new InferenceProcessor({
    models,
    runs: {} as never,
    statistics,
    telemetry,
    logger,
  });
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const delivered = {
    model: 'm',
    version: '1',
    lane: 'online',
    request: { id: 'r1', acceptedAtMs: Date.now(), trace: { traceparent: `00-${traceId}-b7ad6b7169203331-01` } },
    inputs: [],
    takenAtMs: Date.now(),
    delivery: 1,
  } as unknown as DeliveredRequest;
  await expect(processor.handle(delivered)).rejects.toMatchObject({ code: 'model_corrupt' });
  expect(lines).toEqual([
    expect.objectContaining({ level: 'error', msg: 'request failed', model: 'm', request: 'r1', trace_id: traceId }),
  ]);
  expect(await telemetry.metricsText('openmetrics')).toMatch(
    new RegExp(
      `sconce_queue_wait_seconds_bucket\\{lane="online",model="m",le="[\\d.]+"\\} 1 # \\{trace_id="${traceId}"`,
    ),
  );
});

it.each([
  ['that failed', { error: 'inference_failed' }, ['inference_failed']],
  // The API counts these: a worker may never see such a request.
  ['that came too late', { error: 'deadline_exceeded' }, []],
  ['that had no room', { error: 'queue_full' }, []],
  ['of a job, which nobody else counts', { error: 'queue_full', durable: true }, ['queue_full']],
] as const)('counts a request %s once', async (_what, { error, ...more }, expected) => {
  const traces = { exporter: 'none', endpoint: '', protocol: 'http/json', headers: {}, sampleRatio: 1 } as const;
  telemetry = await startTelemetry({ service: 'worker', version: '0', instanceId: 'i', traces });
  const logger = createLogger({ service: 'worker', level: 'error', destination: { write: () => undefined } });
  const counted: unknown[] = [];
  const processor = new InferenceProcessor({
    models: { find: () => Promise.reject(new SconceError(error, 'it did not work')) },
    runs: {} as never,
    statistics: { recordRequest: (request) => void counted.push('failure' in request && request.failure) },
    telemetry,
    logger,
  });
  const request = { id: 'r1', acceptedAtMs: Date.now(), durable: false, ...more };
  const delivered = {
    model: 'm',
    version: '1',
    lane: 'online',
    request,
    inputs: [],
    takenAtMs: Date.now(),
    delivery: 1,
  };
  await expect(processor.handle(delivered as unknown as DeliveredRequest)).rejects.toMatchObject({ code: error });
  expect(counted).toEqual(expected);
});
