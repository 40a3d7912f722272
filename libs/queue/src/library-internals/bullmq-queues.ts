import type { ChainableCommander, Redis } from 'ioredis';

/** States of a job that has not ended. */
export const JOB_STATES = ['waiting', 'prioritized', 'delayed', 'active'] as const;

/** Jobs of a queue that have not ended, by state. */
export type JobCounts = Readonly<Record<(typeof JOB_STATES)[number], number>>;

/** A queue at one moment. */
export interface QueueState {
  readonly queue: string;
  readonly jobs: JobCounts;
  /** Time since the next job to be taken was added, ms; 0 when no job waits. */
  readonly oldestAgeMs: number;
}

/** Replies that `addCount` adds to a pipeline. */
export const REPLIES_PER_COUNT = JOB_STATES.length;
/** Replies for the heads of a queue: the oldest waiting job and the first prioritized job. */
const REPLIES_PER_HEADS = 2;

/** Adds the commands that count one queue's jobs to a pipeline. @param prefix BullMQ's key prefix. */
export function addCount(pipeline: ChainableCommander, prefix: string, queue: string): void {
  const key = `${prefix}:${queue}`;
  pipeline.llen(`${key}:wait`).zcard(`${key}:prioritized`).zcard(`${key}:delayed`).llen(`${key}:active`);
}

/** Reads the replies to `addCount`. */
export function readCount(replies: readonly unknown[]): JobCounts {
  const [waiting = 0, prioritized = 0, delayed = 0, active = 0] = replies.map(Number);
  return { waiting, prioritized, delayed, active };
}

/** Reads the state of queues, with a fixed number of commands for each, whatever the number of jobs. */
export async function readQueueStates(
  redis: Redis,
  prefix: string,
  queues: readonly string[],
): Promise<readonly QueueState[]> {
  const counting = redis.multi();
  for (const queue of queues) {
    addCount(counting, prefix, queue);
    counting.lindex(`${prefix}:${queue}:wait`, -1).zrange(`${prefix}:${queue}:prioritized`, '0', '0');
  }
  const replies = ((await counting.exec()) ?? []).map(([, reply]) => reply);
  const perQueue = REPLIES_PER_COUNT + REPLIES_PER_HEADS;
  const counted = queues.map((queue, index) => {
    const own = replies.slice(index * perQueue, (index + 1) * perQueue);
    const [oldest, first] = own.slice(REPLIES_PER_COUNT);
    const heads = [oldest, ...((first ?? []) as readonly unknown[])].filter((id) => typeof id === 'string');
    return { queue, jobs: readCount(own.slice(0, REPLIES_PER_COUNT)), heads };
  });
  const ages = redis.multi();
  for (const { queue, heads } of counted) {
    for (const id of heads) ages.hget(`${prefix}:${queue}:${id}`, 'timestamp');
  }
  const timestamps = ((await ages.exec()) ?? []).map(([, reply]) => reply);
  const nowMs = Date.now();
  return counted.map(({ queue, jobs, heads }) => {
    // A job that was taken and has ended meanwhile has no hash any more.
    const added = timestamps
      .splice(0, heads.length)
      .flatMap((time) => (typeof time === 'string' ? [Number(time)] : []));
    return { queue, jobs, oldestAgeMs: added.length === 0 ? 0 : Math.max(0, nowMs - Math.min(...added)) };
  });
}
