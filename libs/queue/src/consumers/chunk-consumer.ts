import { chunkJobSchema, type ChunkJob } from '@sconce/contracts';
import type { Delivery, JobConsumer } from './job-consumer.ts';

/** A chunk as a worker gets it. */
export interface DeliveredChunk {
  readonly job: ChunkJob;
  /** Epoch ms at which it was added. */
  readonly addedAtMs: number;
  /** Epoch ms at which the job was taken from the queue. */
  readonly takenAtMs: number;
  /** 1 for the first delivery. */
  readonly delivery: number;
}

/** Consumes the jobs of the batch lane that hold a chunk. Which results count is decided by the batch's record, not here. */
export class ChunkConsumer implements JobConsumer<ChunkJob> {
  readonly jobName = 'chunk';
  readonly schema = chunkJobSchema;
  readonly #handle: (delivered: DeliveredChunk) => Promise<void>;

  /** @param options.handle scores a chunk and commits its results. When it throws, the chunk is delivered again. */
  constructor(options: { readonly handle: (delivered: DeliveredChunk) => Promise<void> }) {
    this.#handle = options.handle;
  }

  async consume(job: ChunkJob, { addedAtMs, takenAtMs, delivery }: Delivery): Promise<void> {
    await this.#handle({ job, addedAtMs, takenAtMs, delivery });
  }
}
