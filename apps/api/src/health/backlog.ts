import { poolSchema, type PoolBacklog } from '@sconce/contracts';
import type { BatchProducer, InferenceProducer } from '@sconce/queue';

/** The backlog of a pool, for scaling its workers; undefined if `pool` is not a valid name. */
export async function readBacklog(
  pool: string,
  { requests, batches }: { readonly requests: InferenceProducer; readonly batches: BatchProducer },
): Promise<PoolBacklog | undefined> {
  return poolSchema.safeParse(pool).success ? requests.poolBacklog(pool, await batches.unfinished()) : undefined;
}
