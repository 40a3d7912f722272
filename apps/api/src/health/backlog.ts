import type { PoolBacklog } from '@sconce/contracts';
import type { BatchProducer, InferenceProducer } from '@sconce/queue';

const POOL = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** What a pool has before it, for whoever scales its workers; undefined where that is no name of a pool. */
export async function readBacklog(
  pool: string,
  { requests, batches }: { readonly requests: InferenceProducer; readonly batches: BatchProducer },
): Promise<PoolBacklog | undefined> {
  return POOL.test(pool) ? requests.poolBacklog(pool, await batches.unfinished()) : undefined;
}
