import { inject } from 'vitest';
import type {} from './redis.global-setup.ts';

/** The run's Redis and the key prefix of one spec file. */
export interface TestRedis {
  readonly url: string;
  /** First part of every key of this file, and BullMQ's `prefix`. No other file or run uses it. */
  readonly prefix: string;
}

let prefix: string | undefined;

/** The run's Redis and this spec file's key prefix. Calls in one file give the same prefix. */
export function testRedis(): TestRedis {
  prefix ??= `test-${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
  return { url: inject('redisUrl'), prefix };
}
