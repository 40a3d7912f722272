import { inject } from 'vitest';
import type {} from './redis.global-setup.ts';

/** Where a spec file may write in the run's Redis. */
export interface TestRedis {
  readonly url: string;
  /** Starts every key of this file; also BullMQ's `prefix`. Never shared with another file or run. */
  readonly prefix: string;
}

let prefix: string | undefined;

/** The run's Redis and this spec file's own key prefix (the same one each time it is asked for within a file). */
export function testRedis(): TestRedis {
  prefix ??= `test-${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
  return { url: inject('redisUrl'), prefix };
}
