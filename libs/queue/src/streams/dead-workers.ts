import type { Keys } from '../redis/keys.ts';
import type { RespClient } from './resp-client.ts';
import type { ClaimedEntry, WorkersGroup } from './workers-group.ts';

/** Names of consumers that listen on a channel of their own as long as their process lives begin with this. */
export const PRESENT = 'present-';
/** How often a worker looks for dead workers, ms. */
const LOOK_INTERVAL_MS = 250;
/** After Redis was away, workers come back one by one: nobody counts as dead for so long, ms. */
const AFTER_RECONNECT_MS = 3_000;

export interface DeadWorkersOptions {
  readonly redis: RespClient;
  readonly keys: Keys;
  readonly group: WorkersGroup;
  /** Takes over an entry of a dead worker. */
  readonly take: (entry: ClaimedEntry) => void;
  readonly onError: (error: Error) => void;
}

/**
 * Finds workers whose process has ended, sooner than the time after which their entries count as abandoned. The system closes the connections
 * of a process that ends, and Redis then counts no listener on its channel. A worker without a listener at two looks in a row is
 * dead. If only its connection was lost, its entries run twice, and producers ignore the second answers.
 *
 * *stopped* → `start` → *looking* → `stop` → *stopped*.
 */
export class DeadWorkers {
  readonly #options: DeadWorkersOptions;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  /** Consumers that had no listener at the last look. */
  #absent: ReadonlySet<string> = new Set();
  #connection = 0;
  #sinceMs = -Infinity;

  constructor(options: DeadWorkersOptions) {
    this.#options = options;
  }

  start(): void {
    this.#connection = this.#options.redis.id;
    this.#timer = setInterval(() => void this.#lookOnce(), LOOK_INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #lookOnce(): Promise<void> {
    const { redis, onError } = this.#options;
    if (this.#isLooking || !redis.ready) return;
    this.#isLooking = true;
    await this.#look().catch(onError);
    this.#isLooking = false;
  }

  async #look(): Promise<void> {
    const { redis, keys, group, take } = this.#options;
    const nowMs = performance.now();
    if (redis.id !== this.#connection) {
      if (this.#connection !== 0) this.#sinceMs = nowMs;
      this.#connection = redis.id;
    }
    if (nowMs - this.#sinceMs < AFTER_RECONNECT_MS) return;
    const busy = (await group.busyConsumers()).filter((name) => name !== group.consumer && name.startsWith(PRESENT));
    const reply =
      busy.length === 0 ? [] : await redis.call('PUBSUB', 'NUMSUB', ...busy.map((name) => keys.presence(name)));
    const listeners = Array.isArray(reply) ? reply.filter((_, index) => index % 2 === 1).map(Number) : [];
    const absent = busy.filter((_, index) => listeners[index] === 0);
    const dead = absent.filter((name) => this.#absent.has(name));
    this.#absent = new Set(absent);
    for (const name of dead) {
      for (const entry of await group.claimFrom(name)) if (this.#timer !== undefined) take(entry);
    }
  }
}
