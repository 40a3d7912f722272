import { afterEach, expect, it } from 'vitest';
import type { BatchRecord, DeliveredChunk } from '@sconce/queue';
import { startTelemetry, type Telemetry } from '@sconce/telemetry';
import { startOtlpCollector, type OtlpCollector } from '@sconce/trace-view';
import { MAX_TRACED_CHUNKS, RunTally, traceChunk } from './batch-trace.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const ORIGIN = 'b7ad6b7169203331';
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(sampleRatio: number): Promise<{ collector: OtlpCollector; telemetry: Telemetry }> {
  const collector = await startOtlpCollector();
  closers.push(() => collector.stop());
  const traces = {
    exporter: 'otlp',
    endpoint: collector.url,
    protocol: 'http/json',
    headers: {},
    sampleRatio,
  } as const;
  const telemetry = await startTelemetry({ service: 'worker', version: '0', instanceId: 'i', traces });
  closers.push(() => telemetry.shutdown());
  return { collector, telemetry };
}

function trace({ tracer }: Telemetry, index: number, traceparent?: string): void {
  const spec = { model: 'm', version: '1', ...(traceparent === undefined ? {} : { trace: { traceparent } }) };
  const range = { firstRow: index * 10, rows: 10, offset: 0, length: 0 };
  const runs = new RunTally();
  traceChunk(tracer, {
    batch: { id: 'batch_1', run: 1, spec } as unknown as BatchRecord,
    delivered: { job: { index, range }, addedAtMs: 1_000, takenAtMs: 1_250, delivery: 1 } as unknown as DeliveredChunk,
    endMs: 2_000,
    outcome: 'committed',
    runs,
  });
}

it('puts the first chunks into the batch’s trace, and gives later chunks traces of their own with a link', async () => {
  const { collector, telemetry } = await start(1);
  const traceparent = `00-${TRACE}-${ORIGIN}-01`;
  for (let index = 0; index < MAX_TRACED_CHUNKS + 50; index++) trace(telemetry, index, traceparent);
  await telemetry.shutdown();
  const [own, later] = [true, false].map((is) => collector.spans.filter(({ traceId }) => (traceId === TRACE) === is));
  expect(own).toHaveLength(MAX_TRACED_CHUNKS);
  expect(own?.[0]).toMatchObject({ parentSpanId: ORIGIN, attributes: { 'sconce.queue.wait_ms': 250 } });
  expect(later).toHaveLength(50);
  expect(new Set(later?.map(({ traceId }) => traceId)).size).toBe(50);
  for (const span of later ?? []) {
    expect(span.links).toEqual([{ traceId: TRACE, spanId: ORIGIN, attributes: {} }]);
    expect(span).not.toHaveProperty('parentSpanId');
  }
});

it('records no span for a batch without a trace, and later chunks as they are sampled', async () => {
  const { collector, telemetry } = await start(0);
  trace(telemetry, 0);
  trace(telemetry, 0, `00-${TRACE}-${ORIGIN}-00`);
  trace(telemetry, 500, `00-${TRACE}-${ORIGIN}-00`);
  trace(telemetry, 500, `00-${TRACE}-${ORIGIN}-01`);
  trace(telemetry, 7, `00-${TRACE}-${ORIGIN}-01`);
  await telemetry.shutdown();
  expect(collector.spans.map(({ attributes }) => attributes['sconce.chunk.index'])).toEqual([7]);
});
