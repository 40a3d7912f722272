import { afterEach, describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import type { DeliveredRequest } from '@sconce/queue';
import type { RunRecord } from '@sconce/runtime';
import { startTelemetry, type Telemetry } from '@sconce/telemetry';
import { recordRequestSpans } from './request-spans.ts';

interface Recorded {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

const BASE_MS = 1_800_000_000_000;
const at = (ms: number): number => BASE_MS + ms;

let telemetry: Telemetry;
afterEach(() => telemetry.shutdown());

/** The spans that a request leaves, in ms from BASE_MS. */
async function spansOf(given: Parameters<typeof recordRequestSpans>[1]): Promise<Recorded[]> {
  const traces = { exporter: 'none', endpoint: '', protocol: 'http/json', headers: {}, sampleRatio: 1 } as const;
  telemetry = await startTelemetry({ service: 'worker', version: '0', instanceId: 'i', traces });
  const spans: Recorded[] = [];
  const ms = ([seconds, nanos]: [number, number]): number =>
    Math.round((seconds * 1e3 - BASE_MS) * 1e3 + nanos / 1e3) / 1e3;
  const tracer = {
    startSpan: (name: string, { startTime }: { startTime: [number, number] }) => ({
      spanContext: () => ({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }),
      setStatus: () => undefined,
      end: (endTime: [number, number]) => spans.push({ name, startMs: ms(startTime), endMs: ms(endTime) }),
    }),
  };
  recordRequestSpans(tracer as never, given);
  return spans;
}

const delivered = {
  model: 'm',
  version: '1',
  lane: 'online',
  request: { acceptedAtMs: at(0), trace: { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` } },
  addedAtMs: at(1.25),
  takenAtMs: at(3),
  delivery: 1,
  jobRequests: 1,
} as unknown as DeliveredRequest;

const run: RunRecord = {
  submittedAtMs: at(3.5),
  runStartMs: at(9),
  runEndMs: at(12.75),
  answeredAtMs: at(13),
  loadMs: 0,
  threadId: 1,
  batchRows: 1,
  batchRequests: 1,
  labels: [],
};

const BEFORE = [
  { name: 'sconce.publish', startMs: 0, endMs: 1.25 },
  { name: 'sconce.queue', startMs: 1.25, endMs: 3 },
  { name: 'sconce.take', startMs: 3, endMs: 3.5 },
];

describe('the spans of a request in a worker', () => {
  it('follow each other from acceptance to the outputs', async () => {
    expect(await spansOf({ delivered, runs: [run], failure: undefined })).toEqual([
      ...BEFORE,
      { name: 'sconce.batch', startMs: 3.5, endMs: 13 },
      { name: 'sconce.wait', startMs: 3.5, endMs: 9 },
      { name: 'sconce.run', startMs: 9, endMs: 12.75 },
      { name: 'sconce.collect', startMs: 12.75, endMs: 13 },
    ]);
  });

  it('show the loading of the model before its first run', async () => {
    const spans = await spansOf({ delivered, runs: [{ ...run, loadMs: 4 }], failure: undefined });
    expect(spans.slice(4)).toEqual([
      { name: 'sconce.wait', startMs: 3.5, endMs: 5 },
      { name: 'sconce.load', startMs: 5, endMs: 9 },
      { name: 'sconce.run', startMs: 9, endMs: 12.75 },
      { name: 'sconce.collect', startMs: 12.75, endMs: 13 },
    ]);
  });

  it('begin with the queue for a job, and end with the failure', async () => {
    const { addedAtMs: _, ...job } = delivered;
    const failure = new SconceError('inference_failed', 'no');
    const spans = await spansOf({ delivered: job, runs: [], failure });
    expect(spans.map(({ name }) => name)).toEqual(['sconce.queue', 'sconce.batch']);
    expect(spans[0]).toEqual({ name: 'sconce.queue', startMs: 0, endMs: 3 });
    expect(spans[1]?.startMs).toBe(3);
  });
});
