import type { ChainableCommander, Redis } from 'ioredis';
import type { QueueState } from '../library-internals/index.ts';
import type { Keys } from '../redis/keys.ts';
import { WORKERS_GROUP } from '../streams/workers-group.ts';
import { addProducerBacklog } from './producer-backlog.ts';

/** Entries of a pool's stream. */
export interface StreamCount {
  /** In the stream and taken by no worker, or not sent by their producer. */
  readonly waiting: number;
  /** Held by workers. */
  readonly active: number;
}

/** Replies that `addStreamCount` adds to a pipeline. */
const REPLIES_PER_STREAM = 3;

/** Adds the commands that count the entries of a pool's stream to a pipeline. */
export function addStreamCount(pipeline: ChainableCommander, keys: Keys, pool: string): void {
  const stream = keys.onlineStream(pool);
  pipeline.xlen(stream).xpending(stream, WORKERS_GROUP);
  addProducerBacklog(pipeline, keys.producerBacklog(pool));
}

/** Reads the replies to `addStreamCount`. A stream that no worker has read has no group: none of its entries is active. */
export function readStreamCount([length, pending, unsent]: readonly unknown[]): StreamCount {
  const active = Array.isArray(pending) ? Number(pending[0]) : 0;
  // An entry is deleted just after its acknowledgement, so the counts may differ for a moment.
  return { waiting: Math.max(0, Number(length ?? 0) - active) + Number(unsent ?? 0), active };
}

/** The state of a pool's online lane with the entries of its stream. Counts are added; the older of the two ages counts. */
export async function withStreamState(
  lane: QueueState,
  { redis, keys, pool }: { readonly redis: Redis; readonly keys: Keys; readonly pool: string },
): Promise<QueueState> {
  const reading = redis.multi();
  addStreamCount(reading, keys, pool);
  reading.xrange(keys.onlineStream(pool), '-', '+', 'COUNT', 1);
  const replies = ((await reading.exec()) ?? []).map(([, reply]) => reply);
  const { waiting, active } = readStreamCount(replies);
  const [first] = (replies[REPLIES_PER_STREAM] ?? []) as readonly [id: string, fields: unknown][];
  // An entry's id begins with the epoch ms at which it was added. A worker may hold the oldest entry.
  const ageMs = first === undefined || waiting === 0 ? 0 : Math.max(0, Date.now() - Number(first[0].split('-')[0]));
  return {
    queue: lane.queue,
    jobs: { ...lane.jobs, waiting: lane.jobs.waiting + waiting, active: lane.jobs.active + active },
    oldestAgeMs: Math.max(lane.oldestAgeMs, ageMs),
  };
}
