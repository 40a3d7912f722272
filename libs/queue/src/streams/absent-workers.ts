import type { Keys } from '../redis/keys.ts';
import type { RespClient } from './resp-client.ts';

/** Names of workers that listen on a channel of their own as long as their process lives begin with this. */
export const PRESENT = 'present-';

export interface AbsentWorkersOptions {
  readonly redis: RespClient;
  readonly keys: Keys;
  /** After this process has lost Redis, nobody counts as absent for so long, ms: workers come back one by one. */
  readonly afterReconnectMs: number;
}

/**
 * Tells which workers have ended. The system closes the connections of a process that ends, and Redis then counts no listener on its
 * channel. A worker without a listener at two looks in a row is absent. It may also have lost its connection only.
 */
export class AbsentWorkers {
  readonly #options: AbsentWorkersOptions;
  /** Workers that had no listener at the last look. */
  #absent: ReadonlySet<string> = new Set();
  #connection: number;
  #sinceMs = -Infinity;

  constructor(options: AbsentWorkersOptions) {
    this.#options = options;
    this.#connection = options.redis.id;
  }

  /** Whether this process has had its connection long enough to judge others. */
  canTell(): boolean {
    const { redis, afterReconnectMs } = this.#options;
    const nowMs = performance.now();
    if (redis.id !== this.#connection) {
      if (this.#connection !== 0) this.#sinceMs = nowMs;
      this.#connection = redis.id;
    }
    return redis.ready && nowMs - this.#sinceMs >= afterReconnectMs;
  }

  /** One look: those of `names` that were absent at this look and at the one before. Names without a channel are never absent. */
  async look(names: readonly string[]): Promise<readonly string[]> {
    const { redis, keys } = this.#options;
    const known = names.filter((name) => name.startsWith(PRESENT));
    const reply =
      known.length === 0 ? [] : await redis.call('PUBSUB', 'NUMSUB', ...known.map((name) => keys.presence(name)));
    const listeners = Array.isArray(reply) ? reply.filter((_, index) => index % 2 === 1).map(Number) : [];
    const absent = known.filter((_, index) => listeners[index] === 0);
    const twice = absent.filter((name) => this.#absent.has(name));
    this.#absent = new Set(absent);
    return twice;
  }
}
