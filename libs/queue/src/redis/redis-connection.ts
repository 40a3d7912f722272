import type { Redis, RedisOptions } from 'ioredis';
import { SconceError, toSconceError } from '@sconce/errors';
import { withTimeout } from '@sconce/process/time';
import { EndableRedis } from '../library-internals/index.ts';
import { primaryConnector, sharePrimaryFinder } from './primary-finder.ts';
import { parseSentinelUrl, type SentinelUrl } from './sentinel-url.ts';

/** Longest time that each step of closing waits for a Redis that does not answer. */
const CLOSE_STEP_MS = 500;

/** What happens to a connection's commands while Redis is away. */
export type ConnectionRole =
  /** They fail with `redis_unavailable` after some two seconds, so that a caller gets its 503. */
  | 'command'
  /** They wait until Redis is back: a worker has no caller that it could tell. */
  | 'patient';

export interface ConnectionOptions {
  /** `redis://`, `rediss://`, or with Sentinels `redis+sentinel://`, `rediss+sentinel://`. */
  readonly url: string;
  readonly role: ConnectionRole;
  /** Shown by `CLIENT LIST`: `sconce.<process>.<use>`. */
  readonly name: string;
  /** Called with connection errors. They repeat while Redis is away. Commands report their own failures. */
  readonly onError: (error: Error) => void;
}

/** Opens a connection that always reconnects. With Sentinels it is always to the primary. */
export function connectRedis({ url, role, name, onError }: ConnectionOptions): Redis {
  const options = {
    connectionName: name,
    maxRetriesPerRequest: role === 'command' ? 6 : null,
    retryStrategy: (attempt: number) => Math.min(25 * 2 ** Math.min(attempt, 6), 1_000),
    connectTimeout: 5_000,
    disconnectTimeout: CLOSE_STEP_MS,
    keepAlive: 30_000,
    // READONLY: this server is no longer the primary after a failover. A new connection reaches the new primary.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies RedisOptions;
  const sentinels = parseSentinelUrl(url);
  const redis = sentinels === undefined ? new EndableRedis(url, options) : overSentinels(sentinels, options, onError);
  redis.on('error', onError);
  return redis;
}

/** Options for replies as BullMQ expects them. */
type LegacyOptions = RedisOptions & { readonly protocol?: 2; readonly replyMapping?: 'legacy' };

function overSentinels(url: SentinelUrl, options: LegacyOptions, onError: (error: Error) => void): Redis {
  const { username, password, database, isSecure } = url;
  const { finder, release } = sharePrimaryFinder(url, onError);
  const redis = new EndableRedis({
    ...options,
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
    ...(isSecure ? { tls: {} } : {}),
    db: database,
    Connector: primaryConnector(finder, url),
  });
  redis.once('end', release);
  return redis;
}

/** Closes a connection with `QUIT`, or at once when Redis does not answer. */
export async function closeRedis(redis: Redis): Promise<void> {
  if (redis.status === 'ready') await bestEffort(redis.quit());
  redis.disconnect();
}

/** Waits for a step of closing, at most `CLOSE_STEP_MS`. An error is ignored: nothing can be done about it any more. */
export async function bestEffort(step: Promise<unknown>): Promise<void> {
  await withTimeout(
    step.catch(() => undefined),
    CLOSE_STEP_MS,
  );
}

/** When a caller should try again whom Redis refused because of its memory. */
const RETRY_AFTER_SECONDS = 5;

/** Whether Redis refused a command because it has reached its `maxmemory`. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && error.message.includes('OOM command not allowed');
}

/** Runs Redis work. Any failure of Redis becomes `redis_unavailable`; a SconceError is thrown on as it is. */
export async function onRedis<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof SconceError) throw cause;
    const reason = toSconceError(cause).message;
    const details = isOutOfMemory(cause) ? { retryAfterSeconds: RETRY_AFTER_SECONDS } : {};
    throw new SconceError('redis_unavailable', `Redis could not ${what}: ${reason}. Try again shortly.`, {
      cause,
      details,
    });
  }
}
