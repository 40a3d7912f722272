import type { Redis } from 'ioredis';
import { unfinishedBatches } from '../batches/batch-records.ts';
import { readQueueStates, type QueueState } from '../library-internals/index.ts';
import { LANES } from '@sconce/contracts';
import { PLANNER_QUEUE, REGISTRATION_QUEUE, WEBHOOK_QUEUE, laneQueueName } from '../queue-names.ts';
import type { Keys } from '../redis/keys.ts';
import { memoryOf, type MemoryInfo } from '../redis/memory-info.ts';
import { readPoolBacklog } from './pool-backlog.ts';
import { withStreamState } from './stream-state.ts';

/** All queues of an installation, its pools, and Redis's memory, at one moment. */
export interface QueueSnapshot {
  readonly queues: readonly QueueState[];
  readonly pools: readonly { readonly pool: string; readonly workers: number; readonly backlogSeconds: number }[];
  /** Absent when this user of Redis may not read it. */
  readonly memory?: MemoryInfo;
}

/** A pool that was not used for this long is left out. */
const POOL_TTL_MS = 7 * 86_400_000;
const SHARED_QUEUES = [REGISTRATION_QUEUE, PLANNER_QUEUE, WEBHOOK_QUEUE] as const;

/** Adds a pool to the snapshots of the next week. */
export async function rememberPool(redis: Redis, keys: Keys, pool: string): Promise<void> {
  await redis.zadd(keys.pools(), Date.now(), pool);
}

/**
 * Takes a snapshot with a fixed number of commands for each queue, pool and unfinished batch. None of them takes longer
 * when there are more jobs.
 *
 * The state of a pool's online queue includes the requests in the pool's stream. The age of prioritized jobs is that of the next one to be taken: jobs of a lower priority may be older.
 */
export async function takeQueueSnapshot(redis: Redis, keys: Keys): Promise<QueueSnapshot> {
  const [head, info] = await Promise.all([
    redis
      .multi()
      .zremrangebyscore(keys.pools(), '-inf', Date.now() - POOL_TTL_MS)
      .zrange(keys.pools(), '0', '-1')
      .exec(),
    // Access rules of a Redis may forbid INFO.
    redis.info('memory').catch(() => undefined),
  ]);
  const pools = (head?.[1]?.[1] ?? []) as readonly string[];
  const lanes = pools.flatMap((pool) => LANES.map((lane) => laneQueueName(pool, lane)));
  const unfinished = await unfinishedBatches(redis, keys);
  const [queues, backlogs] = await Promise.all([
    readQueueStates(redis, keys.bullmq, [...lanes, ...SHARED_QUEUES]),
    Promise.all(pools.map((pool) => readPoolBacklog(redis, keys, { pool, unfinished }))),
  ]);
  const poolOf = new Map(pools.map((pool) => [laneQueueName(pool, 'online'), pool]));
  const withStream = async (state: QueueState): Promise<QueueState> => {
    const pool = poolOf.get(state.queue);
    return pool === undefined ? state : withStreamState(state, { redis, keys, pool });
  };
  return {
    queues: await Promise.all(queues.map(withStream)),
    pools: backlogs.map(({ pool, workers, seconds }) => ({ pool, workers, backlogSeconds: seconds })),
    memory: info === undefined ? undefined : memoryOf(info),
  };
}
