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
