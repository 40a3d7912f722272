import { chunkJobSchema, type ChunkJob } from '@sconce/contracts';
import type { SconceError } from '@sconce/errors';
import { isOutage, type Confirm, type Delivery, type JobConsumer } from './job-consumer.ts';

/** A chunk as a worker gets it. */
export interface DeliveredChunk {
  readonly job: ChunkJob;
  /** Epoch ms at which it was added. */
  readonly addedAtMs: number;
  /** Epoch ms at which the job was taken from the queue. */
  readonly takenAtMs: number;
  /** 1 for the first delivery. */
  readonly delivery: number;
  /** Whether the queue gives the job up if this delivery ends in an error that is not postponed. */
  readonly isLast: boolean;
  /** A worker ended while it scored this chunk. Default: false. */
  readonly suspect?: boolean;
}

export interface ChunkConsumerOptions {
  /** Scores a chunk and commits its results. When it throws, the chunk is delivered again. */
  readonly handle: (delivered: DeliveredChunk) => Promise<Confirm | void>;
  /** Ends a chunk whose job has failed: its rows get the error. */
  readonly abandon: (job: ChunkJob, error: SconceError) => Promise<void>;
}

/**
 * Consumes the jobs of the batch lane that hold a chunk. Which results count is decided by the batch's record, not here.
 *
 * A chunk waits as long as the store or Redis is away, or the worker is full: the window of its batch bounds that.
 */
export class ChunkConsumer implements JobConsumer<ChunkJob> {
  readonly jobName = 'chunk';
  readonly schema = chunkJobSchema;
  readonly #options: ChunkConsumerOptions;

  constructor(options: ChunkConsumerOptions) {
    this.#options = options;
  }

  async consume(job: ChunkJob, given: Delivery): Promise<Confirm | void> {
    const { addedAtMs, takenAtMs, delivery, failures, maxFailures, workersLost } = given;
    const isLast = failures + 1 >= maxFailures;
    return this.#options.handle({ job, addedAtMs, takenAtMs, delivery, isLast, suspect: workersLost > 0 });
  }

  postpones(error: SconceError): boolean {
    return isOutage(error) || error.code === 'queue_full';
  }

  async abandon(job: ChunkJob, error: SconceError): Promise<void> {
    await this.#options.abandon(job, error);
  }
}
