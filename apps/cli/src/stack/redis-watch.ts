import type { RedisServer } from '@sconce/redis-server';
import { failure } from '../output/failure.ts';
import { DeathCounter } from './death-counter.ts';
import { isAlive } from './is-alive.ts';

const CHECK_MS = 250;

export interface RedisWatchOptions {
  /** Called when Redis died and is started again. */
  readonly onEvent: (text: string) => void;
  /** Called when Redis is not started again. */
  readonly onGaveUp: (error: Error) => void;
  readonly checkMs?: number;
}

/**
 * Restarts the stack's Redis when it dies: on the same port, with the data of its append-only file. Gives up after 8
 * deaths within a minute. Returns the function that ends the watch.
 */
export function watchRedis(redis: RedisServer, options: RedisWatchOptions): () => void {
  const counter = new DeathCounter();
  let busy = false;
  const giveUp = (why: string, cause?: unknown): void => {
    clearInterval(timer);
    const hint = 'Check that the disk is not full and that memory is free.';
    options.onGaveUp(failure('redis_unavailable', why, { hint, cause }));
  };
  const check = async (): Promise<void> => {
    if (busy || isAlive(redis.pid)) return;
    busy = true;
    const { deaths, tooMany } = counter.add();
    if (tooMany) {
      giveUp(`Redis ended ${deaths} times in a minute.`);
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
