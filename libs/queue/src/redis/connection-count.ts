import type { Redis } from 'ioredis';

/**
 * Counts how often a connection has become ready. Two writes of one connection are on the same primary, in order, if the count was the same
 * before the first one and after the second one. Otherwise a failover may have lost the first one and kept the second one.
 */
export class ConnectionCount {
  #count = 0;

  constructor(redis: Redis) {
    redis.on('ready', () => {
      this.#count += 1;
    });
  }

  get value(): number {
    return this.#count;
  }

  /** Runs `work` until the connection stayed the same for a whole run, so that one primary has all that the last run wrote. */
  async onOne<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      const before = this.#count;
      const result = await work();
      if (before === this.#count) return result;
    }
  }
}
