import type { RedisServer } from '@sconce/redis-server';
import { failure } from '../output/failure.ts';

const CHECK_MS = 250;
const MAX_DEATHS = 8;
const DEATHS_WINDOW_MS = 60_000;

export interface RedisWatchOptions {
  /** Told of unexpected deaths. */
  readonly onEvent: (text: string) => void;
  /** It could not be kept up. */
  readonly onGaveUp: (error: Error) => void;
  readonly checkMs?: number;
}

/**
 * Starts the stack's Redis again when it ends unasked, on the same port with what its append-only file holds. Gives up
 * after 8 deaths within a minute. Answers what ends the watch.
 */
export function watchRedis(redis: RedisServer, options: RedisWatchOptions): () => void {
  let deaths: readonly number[] = [];
  let busy = false;
  const giveUp = (why: string, cause?: unknown): void => {
    clearInterval(timer);
    options.onGaveUp(failure('redis_unavailable', why, 'See that the disk is not full and memory is left.', cause));
  };
  const check = async (): Promise<void> => {
    if (busy || isAlive(redis.pid)) return;
    busy = true;
    const now = Date.now();
    deaths = [...deaths.filter((at) => now - at < DEATHS_WINDOW_MS), now];
    if (deaths.length > MAX_DEATHS) {
      giveUp(`Redis ended ${deaths.length} times in a minute.`);
      return;
    }
    options.onEvent('Redis ended; it is started again');
    try {
      await redis.restart();
    } catch (error) {
      giveUp(`Redis could not be started again: ${(error as Error).message}`, error);
      return;
    }
    busy = false;
  };
  const timer = setInterval(() => void check(), options.checkMs ?? CHECK_MS);
  timer.unref();
  return () => {
    busy = true;
    clearInterval(timer);
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
