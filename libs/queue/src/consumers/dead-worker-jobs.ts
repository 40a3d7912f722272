import { breakLock, holderOf, oldLocks, type LockedQueue } from '../library-internals/index.ts';
import { describeQueue } from '../queue-names.ts';
import { QUEUE_OPTIONS } from '../queue-options.ts';
import { RegularLook } from '../redis/regular-look.ts';
import type { WorkerConnections } from '../redis/worker-connections.ts';
import { AbsentWorkers } from '../streams/absent-workers.ts';
import type { QueueConsumer } from './queue-consumer.ts';

/** How often a worker looks for locks of dead workers, ms. */
const LOOK_INTERVAL_MS = 500;
/** A lock that has not been renewed for so long may be that of a dead worker, ms. Workers renew theirs every two seconds. */
const UNRENEWED_MS = 2_500;
/** After Redis was away, locks run out by themselves: workers that cannot renew them may still live. */
const AFTER_RECONNECT_MS = 8_000;

/** What this class uses of a consumer. */
type Consumer = Pick<QueueConsumer, 'queue' | 'returnStalled'>;

/**
 * Returns the queue jobs of workers whose process has ended, sooner than their locks run out. Two things must be true: the process is
 * absent (`AbsentWorkers`), and the lock has not been renewed for longer than a living worker takes. So a busy worker keeps its jobs, and
 * so does a worker that loses one of its connections. A worker that hangs is not absent; its locks run out as before.
 *
 * States: *stopped* → `start` → *looking* → `stop` → *stopped*.
 */
export class DeadWorkerJobs {
  readonly #connections: WorkerConnections;
  readonly #queues: readonly (LockedQueue & { readonly consumer: Consumer })[];
  readonly #absent: AbsentWorkers;
  readonly #look: RegularLook;

  constructor(connections: WorkerConnections, consumers: readonly Consumer[]) {
    const { online: redis, patient, keys, onError } = connections;
    this.#connections = connections;
    this.#queues = consumers.map((consumer) => {
      const { name, kind } = describeQueue(consumer.queue);
      return { queue: name, restMs: QUEUE_OPTIONS[kind].lockDuration - UNRENEWED_MS, consumer };
    });
    this.#absent = new AbsentWorkers({ redis, keys, afterReconnectMs: AFTER_RECONNECT_MS });
    this.#look = new RegularLook({
      everyMs: LOOK_INTERVAL_MS,
      isReady: () => patient.status === 'ready',
      look: () => this.#returnJobs(),
      onError,
    });
  }

  start(): void {
    this.#look.start();
  }

  stop(): void {
    this.#look.stop();
  }

  async #returnJobs(): Promise<void> {
    if (!this.#absent.canTell()) return;
    const { patient: redis, keys, workerId } = this.#connections;
    const old = await oldLocks(redis, keys.bullmq, this.#queues);
    const holders = new Set(old.map(holderOf));
    holders.delete(workerId);
    const dead = new Set(await this.#absent.look([...holders]));
    const returned = new Set<Consumer>();
    for (const lock of old) {
      const locked = this.#queues[lock.index];
      if (this.#look.isStopped || locked === undefined || !dead.has(holderOf(lock))) continue;
      if (await breakLock(redis, keys.bullmq, { ...lock, ...locked })) returned.add(locked.consumer);
    }
    await Promise.all([...returned].map((consumer) => consumer.returnStalled()));
  }
}
