import type { Redis } from 'ioredis';
import { SconceError } from '@sconce/errors';

/** Longest time that an accepted job or batch waits for replicas. */
const ACK_TIMEOUT_MS = 1_000;

/**
 * Waits until replicas have what one connection wrote (`WAIT`). A failover then finds it on the new primary, if that is one of them.
 *
 * `WAIT` holds up every other command of the connection. So there is one at a time, and all that was written before it shares its answer.
 */
export class ReplicaAcks {
  readonly #redis: Redis;
  readonly #minReplicas: number;
  #current: Promise<number> | undefined;
  #next: Promise<number> | undefined;

  /** @param minReplicas 0: `confirm` does nothing. */
  constructor(redis: Redis, minReplicas: number) {
    this.#redis = redis;
    this.#minReplicas = minReplicas;
  }

  /**
   * Resolves when enough replicas have everything that this connection has written.
   * @param what for the message, such as `the job`.
   * @throws SconceError `redis_unavailable` when they have not within a second. What was written stays.
   */
  async confirm(what: string): Promise<void> {
    if (this.#minReplicas === 0) return;
    // A WAIT that was sent before the caller's write does not cover it.
    this.#next ??= (this.#current ?? Promise.resolve()).then(
      () => this.#wait(),
      () => this.#wait(),
    );
    const have = await this.#next;
    if (have >= this.#minReplicas) return;
    throw new SconceError(
      'redis_unavailable',
      `Only ${have} of ${this.#minReplicas} replicas of Redis (SCONCE_REDIS_REPLICAS) have ${what}. It may run nevertheless. ` +
        'Send it again with the same Idempotency-Key.',
      { details: { replicas: have, required: this.#minReplicas } },
    );
  }

  #wait(): Promise<number> {
    const wait = this.#redis.wait(this.#minReplicas, ACK_TIMEOUT_MS);
    this.#current = wait;
    this.#next = undefined;
    return wait;
  }
}
