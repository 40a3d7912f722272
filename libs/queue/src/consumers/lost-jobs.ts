import { SconceError } from '@sconce/errors';
import { JobRecords } from '../records/job-records.ts';
import { WatchedJobs } from '../records/watched-jobs.ts';
import { RegularLook } from '../redis/regular-look.ts';
import type { WorkerConnections } from '../redis/worker-connections.ts';
import type { RequestConsumer } from './request-consumer.ts';

/** How often a worker announces its jobs, and asks for a turn to look, ms. */
const EVERY_MS = 5_000;
/** A turn ends before the same worker asks again. */
const TURN = 0.9;

/** What this class uses of a consumer. */
type Consumer = Pick<RequestConsumer, 'handled'>;

export interface LostJobsOptions {
  /** The consumers of this worker that run jobs. */
  readonly consumers: readonly Consumer[];
  /** Called for each job that was ended. */
  readonly onEnded?: (id: string) => void;
  /** For tests. */
  readonly everyMs?: number;
}

/**
 * Ends asynchronous jobs whose queue job is gone: no worker will run them. Every worker announces the jobs that it runs, and the workers take
 * turns to look (`WatchedJobs`). A lost job fails with `worker_lost`, and what was counted for it is freed, as for every job that fails. ADR 48.
 *
 * States: *stopped* → `start` → *looking* → `stop` → *stopped*.
 */
export class LostJobs {
  readonly #connections: WorkerConnections;
  readonly #options: LostJobsOptions;
  readonly #everyMs: number;
  readonly #watched: WatchedJobs;
  readonly #records: JobRecords;
  readonly #look: RegularLook;

  constructor(connections: WorkerConnections, options: LostJobsOptions) {
    const { patient: redis, keys, config, onError } = connections;
    this.#connections = connections;
    this.#options = options;
    this.#everyMs = options.everyMs ?? EVERY_MS;
    this.#watched = new WatchedJobs(redis, keys, config.lostJobSeconds);
    this.#records = new JobRecords({ redis, keys, config });
    this.#look = new RegularLook({
      everyMs: this.#everyMs,
      isReady: () => redis.status === 'ready',
      look: () => this.#endLost(),
      onError,
    });
  }

  start(): void {
    this.#look.start();
  }

  stop(): void {
    this.#look.stop();
  }

  async #endLost(): Promise<void> {
    const { patient: redis, keys, workerId } = this.#connections;
    const running = this.#options.consumers.flatMap(({ handled }) => [...handled]);
    if (!(await this.#watched.announce(workerId, running, Math.floor(this.#everyMs * TURN)))) return;
    for (const id of await this.#watched.look()) {
      if (this.#look.isStopped) return;
      if (!(await this.#records.finish(id, { ok: false, error: lostJob(id).toJSON() }))) continue;
      await redis.unlink(keys.payload(id));
      this.#options.onEnded?.(id);
    }
  }
}

function lostJob(id: string): SconceError {
  return new SconceError(
    'worker_lost',
    `The queue job of job ${id} is missing in Redis, and no worker runs the job: a failover or an eviction lost it, or somebody removed it. Submit the job again, with a new Idempotency-Key if it had one.`,
  );
}
