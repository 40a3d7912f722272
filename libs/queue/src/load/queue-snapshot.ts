import type { Redis } from 'ioredis';
import { unfinishedBatches } from '../batches/batch-records.ts';
import type { Keys } from '../redis/keys.ts';
import { PLANNER_QUEUE, REGISTRATION_QUEUE, WEBHOOK_QUEUE, laneQueueName } from '../queue-names.ts';
import { poolBacklog } from './worker-reports.ts';

/** States of a job that has not ended. */
export const JOB_STATES = ['waiting', 'prioritized', 'delayed', 'active'] as const;

/** A queue at a moment. */
export interface QueueCensus {
  readonly queue: string;
  readonly jobs: Readonly<Record<(typeof JOB_STATES)[number], number>>;
  /** How long ago the job that a worker takes next was added; 0 where none waits. */
  readonly oldestAgeMs: number;
}

/** All queues of an installation, its pools, and Redis's memory. */
export interface Census {
  readonly queues: readonly QueueCensus[];
  readonly pools: readonly { readonly pool: string; readonly workers: number; readonly backlogSeconds: number }[];
  /** Redis's own, where it may be asked for; `maxBytes` is 0 where it has no limit. */
  readonly memory?: { readonly usedBytes: number; readonly maxBytes: number };
}

/** A pool of which nothing was heard for so long is left out. */
const POOL_TTL_MS = 7 * 86_400_000;
const OTHER_QUEUES = [REGISTRATION_QUEUE, PLANNER_QUEUE, WEBHOOK_QUEUE] as const;

/** Notes that a pool is there: it is part of the census for a week. One member of one key. */
export async function notePool(redis: Redis, keys: Keys, pool: string): Promise<void> {
  await redis.zadd(keys.pools(), Date.now(), pool);
}

/**
 * Counts the jobs of every queue by state, with a fixed number of commands for each queue, pool and unfinished batch, none of which takes
 * longer the more jobs there are.
 *
 * Of the prioritized jobs, the head of the queue tells the age: those of a lower priority may be older.
 */
export async function takeCensus(redis: Redis, keys: Keys): Promise<Census> {
  const [head, info] = await Promise.all([
    redis
      .multi()
      .zremrangebyscore(keys.pools(), '-inf', Date.now() - POOL_TTL_MS)
      .zrange(keys.pools(), '0', '-1')
      .exec(),
    // Not every user of a Redis may ask for it.
    redis.info('memory').catch(() => undefined),
  ]);
  const pools = (head?.[1]?.[1] ?? []) as readonly string[];
  const lanes = pools.flatMap((pool) => [laneQueueName(pool, 'online'), laneQueueName(pool, 'batch')]);
  const unfinished = await unfinishedBatches(redis, keys);
  const [queues, backlogs] = await Promise.all([
    countQueues(redis, keys, [...lanes, ...OTHER_QUEUES]),
    Promise.all(pools.map((pool) => poolBacklog(redis, keys, { pool, unfinished }))),
  ]);
  return {
    queues,
    pools: backlogs.map(({ pool, workers, seconds }) => ({ pool, workers, backlogSeconds: seconds })),
    ...(info === undefined
      ? {}
      : { memory: { usedBytes: fieldOf(info, 'used_memory'), maxBytes: fieldOf(info, 'maxmemory') } }),
  };
}

const REPLIES_PER_QUEUE = 6;

async function countQueues(redis: Redis, keys: Keys, names: readonly string[]): Promise<readonly QueueCensus[]> {
  const read = redis.multi();
  for (const name of names) {
    const key = `${keys.bullmq}:${name}`;
    read.llen(`${key}:wait`).zcard(`${key}:prioritized`).zcard(`${key}:delayed`).llen(`${key}:active`);
    // Jobs come in at the left of `wait`, and those with the most urgent priority and the lowest number are first of `prioritized`.
    read.lindex(`${key}:wait`, -1).zrange(`${key}:prioritized`, '0', '0');
  }
  const replies = ((await read.exec()) ?? []).map(([, reply]) => reply);
  const counted = names.map((queue, index) => {
    const [waiting, prioritized, delayed, active, oldest, first] = replies.slice(
      index * REPLIES_PER_QUEUE,
      (index + 1) * REPLIES_PER_QUEUE,
    );
    const heads = [oldest, ...((first ?? []) as readonly unknown[])].filter((id) => typeof id === 'string');
    return {
      queue,
      jobs: {
        waiting: Number(waiting),
        prioritized: Number(prioritized),
        delayed: Number(delayed),
        active: Number(active),
      },
      heads,
    };
  });
  const ages = redis.multi();
  for (const { queue, heads } of counted) {
    for (const id of heads) ages.hget(`${keys.bullmq}:${queue}:${id}`, 'timestamp');
  }
  const timestamps = ((await ages.exec()) ?? []).map(([, reply]) => reply);
  const nowMs = Date.now();
  return counted.map(({ heads, ...rest }) => {
    // One that was taken meanwhile, and has ended, has no time any more.
    const added = timestamps
      .splice(0, heads.length)
      .flatMap((time) => (typeof time === 'string' ? [Number(time)] : []));
    return { ...rest, oldestAgeMs: added.length === 0 ? 0 : Math.max(0, nowMs - Math.min(...added)) };
  });
}

function fieldOf(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
}
