import { Redis } from 'ioredis';
import { SconceError, toSconceError } from '@sconce/errors';

/** What a connection is for decides what happens to its commands while Redis is away. */
export type ConnectionRole =
  /** Commands fail with `redis_unavailable` after some two seconds, so that a caller gets its 503. */
  | 'command'
  /** Commands wait for as long as it takes: a worker has nobody to tell. */
  | 'patient';

/**
 * Opens a connection that reconnects for ever. `onError` hears connection errors (they repeat while Redis is away);
 * commands report their own failures.
 */
export function connectRedis(url: string, role: ConnectionRole, onError: (error: Error) => void): Redis {
  const redis = new Redis(url, {
    maxRetriesPerRequest: role === 'command' ? 6 : null,
    retryStrategy: (attempt) => Math.min(25 * 2 ** Math.min(attempt, 6), 1_000),
    connectTimeout: 5_000,
    keepAlive: 30_000,
    // READONLY means a failover happened under us: the other side is the new primary.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  });
  redis.on('error', onError);
  return redis;
}

/** Closes politely, or at once where Redis does not answer. */
export async function closeRedis(redis: Redis): Promise<void> {
  if (redis.status === 'ready') {
    await Promise.race([
      redis.quit().catch(() => undefined),
      new Promise((resolve) => setTimeout(resolve, 500).unref()),
    ]);
  }
  redis.disconnect();
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
