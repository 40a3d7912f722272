import type { Redis } from 'ioredis';
import type { BatchRecord } from '../batches/batch-record.ts';
import { REPLIES_PER_COUNT, addCount, readCount } from '../library-internals/index.ts';
import { LANES, type PoolBacklog, type WorkerReport } from '@sconce/contracts';
import { laneQueueName } from '../queue-names.ts';
import type { Keys } from '../redis/keys.ts';
import { onRedis } from '../redis/redis-connection.ts';
import { msLeft } from './remaining-work.ts';
import { REPORT_FRESH_MS } from './report-lifetimes.ts';
import { addStreamCount, readStreamCount } from './stream-state.ts';

/** Slots of a worker, while none has reported. */
const DEFAULT_SLOTS = 2;

/**
 * Computes a pool's backlog. When no worker is there, or none has finished a queue job of requests, the reports of the last
 * day tell how fast a worker will be; without any report, a job counts as one second. Chunks count as the rows of their
 * batch, by the pace of its last chunks.
 *
 * @param unfinished batches of all pools that have not ended.
 * @throws SconceError `redis_unavailable`.
 */
export async function readPoolBacklog(
  redis: Redis,
  keys: Keys,
  { pool, unfinished }: { readonly pool: string; readonly unfinished: readonly BatchRecord[] },
): Promise<PoolBacklog> {
  const reading = redis.multi().hgetall(keys.poolRates(pool));
  for (const lane of LANES) addCount(reading, keys.bullmq, laneQueueName(pool, lane));
  addStreamCount(reading, keys, pool);
  const replies = ((await onRedis('count the backlog', () => reading.exec())) ?? []).map(([, reply]) => reply);
  const reports = Object.values((replies[0] ?? {}) as Record<string, string>).map(
    (text) => JSON.parse(text) as WorkerReport,
  );
  const fresh = reports.filter(({ atMs, gone = false }) => !gone && atMs > Date.now() - REPORT_FRESH_MS);
  // Workers that have just started know no rate yet: then the reports of the last day stand in.
  const known = (of: (report: WorkerReport) => number | undefined): number | undefined =>
    averageOf(fresh.map(of)) ?? averageOf(reports.map(of));
  const batches = unfinished.filter(({ spec }) => spec.pool === pool);
  const openChunks = batches.reduce((sum, { chunksPlanned, chunksDone }) => sum + chunksPlanned - chunksDone, 0);
  const stream = readStreamCount(replies.slice(1 + REPLIES_PER_COUNT * LANES.length));
  const total = { waiting: stream.waiting, prioritized: 0, delayed: 0, active: stream.active };
  let workerSeconds = 0;
  for (const [index, lane] of LANES.entries()) {
    const at = 1 + REPLIES_PER_COUNT * index;
    const { waiting, prioritized, delayed, active } = readCount(replies.slice(at, at + REPLIES_PER_COUNT));
    total.waiting += waiting;
    total.prioritized += prioritized;
    total.delayed += delayed;
    total.active += active;
    const inStream = lane === 'online' ? stream.waiting + stream.active : 0;
    const requests = waiting + prioritized + delayed + active + inStream - (lane === 'batch' ? openChunks : 0);
    workerSeconds += Math.max(0, requests) / (known(({ rates }) => rates[lane]) ?? 1);
  }
  const chunkMs = batches.reduce((sum, batch) => sum + msLeft(batch), 0);
  workerSeconds += chunkMs / 1_000 / (known(({ slots }) => slots) ?? DEFAULT_SLOTS);
  return {
    pool,
    ...total,
    jobs: total.waiting + total.prioritized + total.delayed + total.active,
    worker_seconds: hundredths(workerSeconds),
    seconds: hundredths(workerSeconds / Math.max(1, fresh.length)),
    workers: fresh.length,
  };
}

/** Average of the values that are known. */
function averageOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0) / known.length;
}

function hundredths(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
