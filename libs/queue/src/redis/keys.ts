/** Every Redis key of ours, and the prefix of BullMQ's. */
export class Keys {
  /** BullMQ's `prefix` option. */
  readonly bullmq: string;
  readonly #base: string;

  constructor(keyPrefix: string) {
    const lead = keyPrefix === '' ? '' : `${keyPrefix}:`;
    this.bullmq = `${lead}bull`;
    this.#base = `${lead}sconce`;
  }

  /** Stream of answers to one producer. */
  replies(instanceId: string): string {
    return `${this.#base}:replies:${instanceId}`;
  }

  /** Tensors of a queue job that are too large to ride in it. */
  payload(queueJobId: string): string {
    return `${this.#base}:payload:${queueJobId}`;
  }

  /** Hash: the state of an asynchronous job. */
  job(jobId: string): string {
    return `${this.#base}:job:${jobId}`;
  }

  /** Frame: the outputs of an asynchronous job. */
  result(jobId: string): string {
    return `${this.#base}:job:${jobId}:result`;
  }

  /** What an idempotency key stands for. */
  idempotency(digest: string): string {
    return `${this.#base}:idempotency:${digest}`;
  }

  /** Hash: a version's running totals. */
  statistics(model: string, version: string): string {
    return `${this.#base}:statistics:${model}:${version}`;
  }

  /** Epoch ms at which a version last had a request. */
  lastRequest(model: string, version: string): string {
    return `${this.#base}:last-request:${model}:${version}`;
  }

  /** Sorted set: asynchronous jobs of a version that have not ended, by the second at which their record expires. */
  unfinishedJobs(model: string, version: string): string {
    return `${this.#base}:unfinished:${model}:${version}`;
  }

  /** Sorted set: jobs and batches of a submitter that have not ended, by the second at which they have expired. */
  unfinishedOf(submitterId: string): string {
    return `${this.#base}:unfinished-of:${submitterId}`;
  }

  /** Hash: a batch of rows; what `of` names belongs to it. */
  batch(batchId: string, of?: 'chunks' | 'parts' | 'tokens'): string {
    return `${this.#base}:batch:${batchId}${of === undefined ? '' : `:${of}`}`;
  }

  /** Sorted set: batches by the ms at which they were created, all of them or those that have not ended. */
  batches(which: 'all' | 'unfinished'): string {
    return `${this.#base}:batches:${which}`;
  }

  /** Hash: a file. */
  file(fileId: string): string {
    return `${this.#base}:file:${fileId}`;
  }

  /** Sorted set: files by the ms at which they were created. */
  files(): string {
    return `${this.#base}:files`;
  }

  /** Sorted set: what is to be removed from the store, by the ms from which on. */
  removals(): string {
    return `${this.#base}:removals`;
  }

  /** Sorted set: pools by the ms at which they were last heard of. */
  pools(): string {
    return `${this.#base}:pools`;
  }

  /** Hash: what each worker of a pool last said of how fast it is. */
  poolRates(pool: string): string {
    return `${this.#base}:rates:${pool}`;
  }

  /** Sorted set: workers of a pool by the ms at which they last said how many chunks they run at once, which is in the member. */
  slots(pool: string): string {
    return `${this.#base}:slots:${pool}`;
  }

  /** Pub/sub channel: notices to every worker. */
  notices(): string {
    return `${this.#base}:notices`;
  }
}
