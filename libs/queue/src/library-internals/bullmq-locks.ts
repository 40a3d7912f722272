import { Worker, type Processor, type WorkerOptions } from 'bullmq';
import type { Redis } from 'ioredis';

/** Between the name of a process and the number of its worker in the locks of jobs. */
const SEPARATOR = '/';
let workers = 0;

/** A Worker whose locks name the process that holds them, so that others can see whether it lives. */
export class NamedWorker extends Worker {
  /** The locks of its jobs begin with this. */
  override readonly id: string;

  /** @param processName has no `/`. */
  constructor(name: string, processor: Processor, options: WorkerOptions & { readonly processName: string }) {
    const { processName, ...rest } = options;
    // Its loop reads the id when it starts.
    super(name, processor, { ...rest, autorun: false });
    this.id = `${processName}${SEPARATOR}${workers++}`;
    this.run().catch((error: unknown) => this.emit('error', error as Error));
  }
}

/** The lock of an active job. */
export interface HeldLock {
  /** Position of its queue among those that were asked for. */
  readonly index: number;
  readonly jobId: string;
  readonly token: string;
}

/** KEYS: for each queue, the start of its keys. ARGV: for each queue, the longest rest of a lock, ms. */
const OLD_LOCKS = `
local found = {}
for index, base in ipairs(KEYS) do
  for _, id in ipairs(redis.call('LRANGE', base .. 'active', 0, -1)) do
    local lock = base .. id .. ':lock'
    local rest = redis.call('PTTL', lock)
    if rest >= 0 and rest <= tonumber(ARGV[index]) then
      found[#found + 1] = {index, id, redis.call('GET', lock)}
    end
  end
end
return found`;

/** KEYS: start of the queue's keys. ARGV: job, token, longest rest of its lock, ms. Returns whether the lock was removed. */
const BREAK_LOCK = `
local lock = KEYS[1] .. ARGV[1] .. ':lock'
if redis.call('GET', lock) ~= ARGV[2] or redis.call('PTTL', lock) > tonumber(ARGV[3]) then return 0 end
redis.call('DEL', lock)
redis.call('SADD', KEYS[1] .. 'stalled', ARGV[1])
redis.call('DEL', KEYS[1] .. 'stalled-check')
return 1`;

/** A queue, and how long a lock of it still holds at most that has not been renewed for some time, ms. */
export interface LockedQueue {
  readonly queue: string;
  readonly restMs: number;
}

/** Locks that were not renewed for some time, of queues with this prefix. */
export async function oldLocks(redis: Redis, prefix: string, queues: readonly LockedQueue[]): Promise<HeldLock[]> {
  const bases = queues.map(({ queue }) => `${prefix}:${queue}:`);
  const rests = queues.map(({ restMs }) => restMs);
  const found = (await redis.eval(OLD_LOCKS, bases.length, ...bases, ...rests)) as [number, string, string][];
  return found.map(([index, jobId, token]) => ({ index: index - 1, jobId, token }));
}

/** Name of the process that holds a lock; that of no process for a lock of an older release. */
export function holderOf({ token }: HeldLock): string {
  return token.split(SEPARATOR)[0] ?? '';
}

/**
 * Removes a lock unless it was renewed meanwhile, so that the next look for stalled jobs returns the job to its queue, and makes that look
 * due. Returns whether it was removed.
 */
export async function breakLock(redis: Redis, prefix: string, lock: HeldLock & LockedQueue): Promise<boolean> {
  const base = `${prefix}:${lock.queue}:`;
  return (await redis.eval(BREAK_LOCK, 1, base, lock.jobId, lock.token, lock.restMs)) === 1;
}
