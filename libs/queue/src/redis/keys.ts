/** All Redis keys of Sconce, and the prefix of BullMQ's keys. */
export class Keys {
  /** BullMQ's `prefix` option. */
  readonly bullmq: string;
  /** The prefix of the installation. */
  readonly prefix: string;
  readonly #base: string;

  constructor(keyPrefix: string) {
    this.prefix = keyPrefix;
    const lead = keyPrefix === '' ? '' : `${keyPrefix}:`;
    this.bullmq = `${lead}bull`;
    this.#base = `${lead}sconce`;
  }

  /** Stream of answers to one producer. */
  replies(instanceId: string): string {
    return `${this.#base}:replies:${instanceId}`;
  }

  /** Stream: online requests of a pool whose callers wait. */
  onlineStream(pool: string): string {
    return `${this.#base}:online:${pool}`;
  }

  /** Sorted set: one member for each entry that producers will add to a pool's stream, by the ms at which it expires. */
  producerBacklog(pool: string): string {
    return `${this.#base}:producer-backlog:${pool}`;
  }

  /** Tensors of a queue job that are too large for the job itself. */
  payload(queueJobId: string): string {
    return `${this.#base}:payload:${queueJobId}`;
  }

  /** Hash: the state of an asynchronous job. */
  job(jobId: string): string {
    return `${this.#base}:job:${jobId}`;
  }

  /** Sorted set: asynchronous jobs by the ms at which they were created. A job whose record has expired may still be in it. */
  jobs(): string {
    return `${this.#base}:jobs`;
  }

  /** Sorted set: as `jobs`, those of one owner. */
  jobsOf(owner: string): string {
    return `${this.#base}:jobs-of:${owner}`;
  }

  /** Frame: the outputs of an asynchronous job. */
  result(jobId: string): string {
    return `${this.#base}:job:${jobId}:result`;
  }

  /** The job or batch of an idempotency key. */
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

  /** Sorted set: unfinished asynchronous jobs of a version, by the second at which their record expires. */
  unfinishedJobs(model: string, version: string): string {
    return `${this.#base}:unfinished:${model}:${version}`;
  }

  /** Sorted set: unfinished asynchronous jobs, by the second at which a worker looks whether their queue jobs exist. */
  watchedJobs(): string {
    return `${this.#base}:watched-jobs`;
  }

  /** The worker that looks after the watched jobs, until its turn runs out. */
  watchedJobsTurn(): string {
    return `${this.#base}:watched-jobs-turn`;
  }

  /** Sorted set: unfinished jobs and batches of a submitter, by the second at which they have expired. */
  unfinishedOf(submitterId: string): string {
    return `${this.#base}:unfinished-of:${submitterId}`;
  }

  /** Sorted set: unfinished jobs and batches of an owner, by the second at which they have expired. */
  unfinishedOfOwner(owner: string): string {
    return `${this.#base}:unfinished-of-owner:${owner}`;
  }

  /** Hash: the record of a batch, or one of the hashes that belong to it. */
  batch(batchId: string, of?: 'chunks' | 'parts' | 'tokens'): string {
    return `${this.#base}:batch:${batchId}${of === undefined ? '' : `:${of}`}`;
  }

  /** Sorted set: batches by the ms at which they were created: all, or the unfinished ones. */
  batches(which: 'all' | 'unfinished'): string {
    return `${this.#base}:batches:${which}`;
  }

  /** Sorted set: batches of one owner by the ms at which they were created. */
  batchesOf(owner: string): string {
    return `${this.#base}:batches-of:${owner}`;
  }

  /** JSON: the record of a file. */
  file(fileId: string): string {
    return `${this.#base}:file:${fileId}`;
  }

  /** Sorted set: files by the ms at which they were created. */
  files(): string {
    return `${this.#base}:files`;
  }

  /** Sorted set: files of one owner by the ms at which they were created. */
  filesOf(owner: string): string {
    return `${this.#base}:files-of:${owner}`;
  }

  /** Sorted set: stored results and files with their bytes and owners, by the ms at which they expire. */
  storedItems(): string {
    return `${this.#base}:stored`;
  }

  /** As `storedItems`, for the inputs of jobs that have not ended. */
  queuedItems(): string {
    return `${this.#base}:queued`;
  }

  /** As `storedBytes`, for the inputs of jobs that have not ended. */
  queuedBytes(): string {
    return `${this.#base}:queued-bytes`;
  }

  /** Hash: bytes of stored results and files by owner, and of all. */
  storedBytes(): string {
    return `${this.#base}:stored-bytes`;
  }

  /** Sorted set: content to remove from the blob store, by the ms at which it may be removed. */
  removals(): string {
    return `${this.#base}:removals`;
  }

  /** Sorted set: pools by the ms at which a worker reported or a job was added. */
  pools(): string {
    return `${this.#base}:pools`;
  }

  /** Hash: the last report of each worker of a pool. */
  poolRates(pool: string): string {
    return `${this.#base}:rates:${pool}`;
  }

  /** Sorted set: workers of a pool with their slots, by the ms at which they last announced them. */
  slots(pool: string): string {
    return `${this.#base}:slots:${pool}`;
  }

  /** Sorted set: kinds of requests that have ended a process, by the ms at which they are forgotten. */
  suspectKinds(): string {
    return `${this.#base}:suspect-kinds`;
  }

  /** Pub/sub channel on which one worker listens as long as its process lives. Nobody publishes there. */
  presence(worker: string): string {
    return `${this.#base}:presence:${worker}`;
  }

  /** Pub/sub channel: notices to every worker. */
  notices(): string {
    return `${this.#base}:notices`;
  }
}
