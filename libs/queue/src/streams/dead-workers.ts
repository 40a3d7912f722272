import type { Keys } from '../redis/keys.ts';
import { RegularLook } from '../redis/regular-look.ts';
import { AbsentWorkers } from './absent-workers.ts';
import type { RespClient } from './resp-client.ts';
import type { ClaimedEntry, WorkersGroup } from './workers-group.ts';

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
 * Finds workers whose process has ended (`AbsentWorkers`), sooner than the time after which their entries count as abandoned. If only the
 * connection of a worker was lost, its entries run twice, and producers ignore the second answers.
 *
 * *stopped* → `start` → *looking* → `stop` → *stopped*.
 */
export class DeadWorkers {
  readonly #options: DeadWorkersOptions;
  readonly #absent: AbsentWorkers;
  readonly #look: RegularLook;

  constructor(options: DeadWorkersOptions) {
    const { redis, keys, onError } = options;
    this.#options = options;
    this.#absent = new AbsentWorkers({ redis, keys, afterReconnectMs: AFTER_RECONNECT_MS });
    this.#look = new RegularLook({
      everyMs: LOOK_INTERVAL_MS,
      isReady: () => redis.ready,
      look: () => this.#takeOver(),
      onError,
    });
  }

  start(): void {
    this.#look.start();
  }

  stop(): void {
    this.#look.stop();
  }

  async #takeOver(): Promise<void> {
    const { group, take } = this.#options;
    if (!this.#absent.canTell()) return;
    const dead = await this.#absent.look((await group.busyConsumers()).filter((name) => name !== group.consumer));
    for (const name of dead) {
      for (const entry of await group.claimFrom(name)) if (!this.#look.isStopped) take(entry);
    }
  }
}
