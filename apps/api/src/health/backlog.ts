import type { BatchProducer, BatchRecord, InferenceProducer, PoolBacklog } from '@sconce/queue';
import { etaOf, progressOf } from '../batches/batch-resource.ts';

const POOL = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/**
 * What a pool has before it, for whoever scales its workers; undefined where that is no name of a pool. Of batches only a few chunks wait in
 * the queue however many rows are left: `seconds` is what the longest of them will take, where that is more than the queues say.
 */
export async function readBacklog(
  pool: string,
  { requests, batches }: { readonly requests: InferenceProducer; readonly batches: BatchProducer },
): Promise<PoolBacklog | undefined> {
  if (!POOL.test(pool)) return undefined;
  const [backlog, unfinished] = await Promise.all([requests.poolBacklog(pool), batches.unfinished()]);
  const left = unfinished.filter(({ spec }) => spec.pool === pool).map(secondsLeft);
  return { ...backlog, seconds: Math.max(backlog.seconds, ...left) };
}

function secondsLeft(batch: BatchRecord): number {
  return etaOf(batch, progressOf(batch)) ?? 0;
}
