import { Redis, type RedisOptions } from 'ioredis';
import { SconceError, toSconceError } from '@sconce/errors';

/** How long a closing connection waits for a Redis that does not answer, at each step. */
const FAREWELL_MS = 500;

/** What a connection is for decides what happens to its commands while Redis is away. */
export type ConnectionRole =
  /** Commands fail with `redis_unavailable` after some two seconds, so that a caller gets its 503. */
  | 'command'
  /** Commands wait for as long as it takes: a worker has nobody to tell. */
  | 'patient';

/**
 * A client that `disconnect` always ends: `end` is emitted, and what still waits for Redis is rejected.
 *
 * ioredis does neither when it is told between two attempts to reconnect (it only calls the next one off), and whoever
 * waits for the end or for a command waits for ever: BullMQ's close does. Copies end with the client they were made
 * from; BullMQ makes one to block on, and never ends it where Redis has not been there yet.
 */
class EndableRedis extends Redis {
  readonly #copies: Redis[] = [];

  override disconnect(reconnect = false): void {
    // Nothing is open and nothing is being opened: ioredis's `wait`, from which it does end properly.
    if (!reconnect && this.status === 'reconnecting') this.status = 'wait';
    super.disconnect(reconnect);
    if (!reconnect) for (const copy of this.#copies) copy.disconnect();
  }

  async disconnectCopies(): Promise<void> {
    const copies = this.#copies.filter(({ status }) => status !== 'end');
    const ended = copies.map((copy) => new Promise((resolve) => copy.once('end', resolve)));
    for (const copy of copies) copy.disconnect();
    await Promise.all(ended);
  }

  override duplicate(override: Partial<RedisOptions> = {}): Redis {
    const copy = new EndableRedis({ ...this.options, ...override, replyMapping: 'legacy' });
    this.#copies.push(copy);
    return copy;
  }
}

/**
 * Opens a connection that reconnects for ever. `onError` hears connection errors (they repeat while Redis is away);
 * commands report their own failures.
 */
export function connectRedis(url: string, role: ConnectionRole, onError: (error: Error) => void): Redis {
  const redis = new EndableRedis(url, {
    maxRetriesPerRequest: role === 'command' ? 6 : null,
    retryStrategy: (attempt) => Math.min(25 * 2 ** Math.min(attempt, 6), 1_000),
    connectTimeout: 5_000,
    disconnectTimeout: FAREWELL_MS,
    keepAlive: 30_000,
    // READONLY means a failover happened under us: the other side is the new primary.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  });
  redis.on('error', onError);
  return redis;
}

/** Ends the copies of a connection, on which BullMQ blocks for jobs, and not the connection itself; resolves when they have ended. */
export async function disconnectCopies(redis: Redis): Promise<void> {
  if (redis instanceof EndableRedis) await redis.disconnectCopies();
}

/** Closes politely, or at once where Redis does not answer. */
export async function closeRedis(redis: Redis): Promise<void> {
  if (redis.status === 'ready') await farewell(redis.quit());
  redis.disconnect();
}

/** Waits a moment for something that would be good to have done before closing. A Redis that has stalled never does it. */
export async function farewell(work: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => {
    resolve(undefined);
  }, FAREWELL_MS);
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}

/** Runs Redis work; what fails for any reason of Redis's becomes `redis_unavailable`. */
export async function onRedis<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof SconceError) throw cause;
    const reason = toSconceError(cause).message;
    throw new SconceError('redis_unavailable', `Redis could not ${what}: ${reason}. Try again shortly.`, { cause });
  }
}
