import { Inject, Injectable } from '@nestjs/common';
import type { ChunkJob, ChunkPart } from '@sconce/contracts';
import { ERROR_POLICY, SconceError, toSconceError, type SerializedError } from '@sconce/errors';
import { epochMs } from '@sconce/process/time';
import {
  BatchWork,
  batchErrorOf,
  isOutage,
  type BatchRecord,
  type ChangeResult,
  type Confirm,
  type DeliveredChunk,
} from '@sconce/queue';
import { GuardedRuns, ServedModels, type ModelFinder, type RunPort } from '@sconce/serving';
import { spanOf, traceFields, type Logger, type Telemetry } from '@sconce/telemetry';
import type { WorkerConfig } from '../config.ts';
import { CONFIG, LOGGER, TELEMETRY } from '../tokens.ts';
import { RunTally, traceChunk } from './batch-trace.ts';
import { chunkPriority } from './chunk-size.ts';
import type { ChunkTimes } from './dataset-protocol.ts';
import { DatasetThreads } from './dataset-threads.ts';
import { runRows } from './row-runs.ts';
import type { ScoringPlan } from './scoring-plan.ts';

/** Most deliveries of a chunk. More than for a request: a chunk takes longer, and many workers may start and stop meanwhile. */
export const MAX_CHUNK_DELIVERIES = 12;
/** Batches whose plans are cached. */
const MAX_PLANS = 64;

/** The slots of a worker with this number of inference threads: enough to read or write one chunk while another one runs. */
export function chunkSlots(threads: number): number {
  return Math.max(2, threads);
}

interface KnownBatch {
  readonly record: BatchRecord;
  readonly plan: ScoringPlan;
}

/** How one delivery of a chunk ended; a label of `sconce_chunks_total`. */
type ChunkOutcome =
  'committed' | 'given_up' | 'overtaken' | 'retried' | 'handed_back' | 'cancelled' | 'unreadable' | 'batch_failed';

interface ScoredChunk {
  readonly part: ChunkPart;
  readonly times: ChunkTimes;
  /** Whether every row went to the error file without a run. */
  readonly givenUp: boolean;
}

/**
 * Scores chunks: a dataset thread reads and writes, the batcher runs the rows, and the batch's record decides which delivery's results
 * count. The blobs of all other deliveries are not used.
 */
@Injectable()
export class ChunkProcessor {
  readonly slots: number;
  readonly #active = new Map<AbortController, string>();
  readonly #batches = new Map<string, Promise<KnownBatch | undefined>>();
  #stopping = false;

  constructor(
    @Inject(BatchWork) private readonly work: BatchWork,
    @Inject(DatasetThreads) private readonly threads: DatasetThreads,
    @Inject(ServedModels) private readonly models: ModelFinder,
    @Inject(GuardedRuns) private readonly guarded: RunPort,
    @Inject(TELEMETRY) private readonly telemetry: Telemetry,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(CONFIG) config: { readonly runtime: Pick<WorkerConfig['runtime'], 'threads'> },
  ) {
    this.slots = chunkSlots(config.runtime.threads);
  }

  /** Chunks in flight. */
  get active(): number {
    return this.#active.size;
  }

  /**
   * Scores a chunk and commits its results. When it throws, the chunk is delivered again. While the store or Redis is away it throws for
   * every delivery, because the chunk can wait as long as its batch. Of all other errors the last delivery throws none.
   */
  async handle(delivered: DeliveredChunk): Promise<Confirm> {
    const { connection } = this.work;
    await this.#deliver(delivered);
    return async () => {
      if (this.work.connection !== connection) await this.#queueAgain(delivered.job);
    };
  }

  async #deliver(given: DeliveredChunk): Promise<void> {
    const begun = await this.#begin(given.job);
    if (begun === undefined) return;
    const { batch, token, job } = begun;
    const delivered = { ...given, job };
    const { takenAtMs } = delivered;
    if (this.#stopping) throw shuttingDown();
    const abort = new AbortController();
    this.#active.set(abort, job.batchId);
    const runs = new RunTally();
    let failure: SconceError | undefined;
    let scored: ScoredChunk | undefined;
    let outcome: ChunkOutcome = 'retried';
    try {
      scored = await this.#score(delivered, { batch, token, signal: abort.signal, runs });
      if (scored === undefined) {
        outcome = 'batch_failed';
        return;
      }
      const { part } = scored;
      const committed = await this.#commit(job, { batch, token, part, tookMs: epochMs() - takenAtMs });
      if (committed === 'full') {
        outcome = 'batch_failed';
      } else if (committed === 'ok') {
        const { givenUp } = scored;
        outcome = part.unreadable !== undefined ? 'unreadable' : givenUp ? 'given_up' : 'committed';
        this.#countRows(job, part);
      } else {
        outcome = 'overtaken';
        this.logger.info(
          { ...logFieldsOf(job, batch), committed },
          'the results of a chunk came too late and were dropped',
        );
      }
    } catch (thrown) {
      failure = toSconceError(thrown);
      if (abort.signal.aborted && !this.#stopping) {
        // The batch was cancelled, or has ended.
        outcome = 'cancelled';
        return;
      }
      if (abort.signal.aborted) {
        outcome = 'handed_back';
        failure = shuttingDown();
      }
      const { delivery } = delivered;
      this.logger.info({ err: failure, ...logFieldsOf(job, batch), delivery }, 'a chunk goes back to the queue');
      throw failure;
    } finally {
      this.#active.delete(abort);
      const endMs = epochMs();
      this.#countChunk(delivered, { batch, outcome, endMs });
      const { part, times } = scored ?? {};
      traceChunk(this.telemetry.tracer, { batch: batch.record, delivered, endMs, outcome, runs, part, times, failure });
    }
  }

  /** The batch takes no more results: its chunks stop at the next block. */
  cancel(batchId: string): void {
    this.#batches.delete(batchId);
    for (const [abort, own] of this.#active) if (own === batchId) abort.abort();
  }

  /** This worker is about to end: every chunk stops after its present runs and goes to another worker. */
  handBack(): void {
    this.#stopping = true;
    for (const abort of this.#active.keys()) abort.abort();
  }

  /** Ends a chunk whose queue job has failed: its rows get the error, unless its results were counted or its batch has ended. */
  async abandon(failed: ChunkJob, error: SconceError): Promise<void> {
    const begun = await this.#begin(failed);
    if (begun === undefined) return;
    const { batch, token, job } = begun;
    this.logger.warn({ err: error, ...logFieldsOf(job, batch) }, 'a chunk whose queue job failed was given up');
    const { signal } = new AbortController();
    const { part } = await this.#giveUp(job, { batch, token, signal, error: error.toJSON() });
    const committed = await this.#commit(job, { batch, token, part, tookMs: 1 });
    if (committed === 'ok') this.#countRows(job, part);
  }

  /** Counts the results of a chunk. If its owner or the installation may not store them, the batch fails, and the result is `full`. */
  async #commit(
    job: ChunkJob,
    { batch, ...own }: { batch: KnownBatch; token: number; part: ChunkPart; tookMs: number },
  ): Promise<ChangeResult | 'full'> {
    const committed = await this.work.records.commitChunk(job.batchId, { run: job.run, ...own });
    if (committed !== 'owner' && committed !== 'all') return committed;
    const error = this.work.stored.full(committed, batch.record.spec.owner ?? '');
    this.logger.warn({ err: error, ...logFieldsOf(job, batch) }, 'there is no room for the results of a chunk');
    await this.#failBatch(job, error);
    return 'full';
  }

  /**
   * Begins a delivery. Returns undefined if the chunk need not run. The batch's record decides which rows the chunk has: a failover may lose
   * the step of the planner that recorded the chunk and keep its queue job, and then the planner records other rows under this index.
   */
  async #begin(job: ChunkJob): Promise<{ batch: KnownBatch; token: number; job: ChunkJob } | undefined> {
    const { batchId, run, index } = job;
    const token = await this.work.records.beginChunk(batchId, run, index);
    if (typeof token !== 'number') return;
    const [batch, range] = await Promise.all([this.#batch(job), this.work.records.chunkRange(batchId, index)]);
    if (batch === undefined) return;
    if (range !== undefined) return { batch, token, job: { ...job, range } };
    throw new SconceError('redis_unavailable', `Chunk ${index} of batch ${batchId} waits until a planner records it.`);
  }

  /** Queues a chunk again whose results a failover may have lost after the queue removed its job. A counted chunk does not run again. */
  async #queueAgain(job: ChunkJob): Promise<void> {
    const batch = await this.#batch(job);
    if (batch === undefined) return;
    const { spec } = batch.record;
    const priority = chunkPriority(batch.record, { ahead: 0, slots: this.slots });
    await this.work.queues.addChunks(spec.pool, [{ data: job, priority }]);
  }

  /** Returns undefined if the chunk made its whole batch fail. */
  async #score(
    { job, delivery, isLast, suspect = false }: DeliveredChunk,
    given: { batch: KnownBatch; token: number; signal: AbortSignal; runs: RunTally },
  ): Promise<ScoredChunk | undefined> {
    const { batch, token, signal, runs } = given;
    if (delivery > MAX_CHUNK_DELIVERIES) {
      const error = new SconceError(
        'worker_lost',
        `${MAX_CHUNK_DELIVERIES} workers ended while they scored the chunk of this row. It is not scored again.`,
      );
      return this.#giveUp(job, { ...given, error: error.toJSON() });
    }
    try {
      const model = await this.models.find(job.model, job.version);
      const { spec } = batch.record;
      const label = spec.trace?.traceparent;
      const scored = await this.threads.do(
        'score',
        { batchId: job.batchId, plan: batch.plan, index: job.index, range: job.range, attempt: `${job.run}-${token}` },
        {
          signal,
          run: (request) =>
            runRows(this.guarded, request, {
              model,
              runRows: batch.plan.runRows,
              priority: spec.priority,
              signal,
              onRuns: (own) => {
                runs.add(own);
              },
              label,
              owner: spec.owner,
              suspect,
            }),
        },
      );
      return { ...scored, givenUp: false };
    } catch (thrown) {
      const error = toSconceError(thrown);
      if (signal.aborted || isOutage(error) || error.code === 'queue_full') throw error;
      const isFinal = isLast || delivery >= MAX_CHUNK_DELIVERIES;
      if (ERROR_POLICY[error.code].retry === 'backoff' && !isFinal) throw error;
      this.logger.warn({ err: error, ...logFieldsOf(job, batch) }, 'a chunk was given up');
      // Where nothing can be read, no other chunk can. Where nothing can be written, no error file can.
      if (error.details['whole'] === true || error.code === 'storage_full') return this.#failBatch(job, error);
      return this.#giveUp(job, { ...given, error: error.toJSON() });
    }
  }

  /** Puts every row of the chunk into the error file, also if the rows cannot be read. */
  async #giveUp(
    job: ChunkJob,
    { batch, token, signal, error }: { batch: KnownBatch; token: number; signal: AbortSignal; error: SerializedError },
  ): Promise<ScoredChunk> {
    const attempt = `${job.run}-${token}`;
    const { plan } = batch;
    const scored = await this.threads.do(
      'score',
      { batchId: job.batchId, plan, index: job.index, range: job.range, attempt, giveUp: error },
      { signal },
    );
    return { ...scored, givenUp: true };
  }

  /** Ends the batch. Its planner makes the files of the results so far. */
  async #failBatch({ batchId, run }: ChunkJob, error: SconceError): Promise<undefined> {
    const record = await this.work.records.get(batchId);
    if (record?.run !== run) return;
    const fields = { ends_as: 'failed', errors: JSON.stringify([batchErrorOf(error.toJSON())]) };
    await this.work.records.enter(batchId, 'finalizing', { from: ['in_progress'], fields });
    await this.work.tell(batchId);
  }

  #countChunk(
    { job: { model }, addedAtMs, takenAtMs, delivery }: DeliveredChunk,
    { batch, outcome, endMs }: { readonly batch: KnownBatch; readonly outcome: ChunkOutcome; readonly endMs: number },
  ): void {
    const { metrics } = this.telemetry;
    const span = spanOf(batch.record.spec.trace);
    metrics.chunks.add(1, { model, outcome });
    metrics.chunkDuration.record((endMs - takenAtMs) / 1_000, { model }, span);
    // A later delivery also waited for the one before it to fail.
    if (delivery > 1) return;
    metrics.queueWait.record(Math.max(0, takenAtMs - addedAtMs) / 1_000, { lane: 'batch', model }, span);
  }

  #countRows({ model }: ChunkJob, { rows, failed }: ChunkPart): void {
    const { metrics } = this.telemetry;
    if (rows > 0) metrics.rows.add(rows, { lane: 'batch', model, outcome: 'ok' });
    if (failed > 0) metrics.rows.add(failed, { lane: 'batch', model, outcome: 'invalid_row' });
  }

  /** A batch and its plan, which never change. undefined if the batch is gone or was not validated. */
  async #batch({ batchId }: ChunkJob): Promise<KnownBatch | undefined> {
    let known = this.#batches.get(batchId);
    if (known === undefined) {
      known = this.work.records.get(batchId).then((record) => {
        const plan = record?.plan as ScoringPlan | undefined;
        return record === undefined || plan === undefined ? undefined : { record, plan };
      });
      this.#batches.set(batchId, known);
      known.catch(() => this.#batches.delete(batchId));
      const oldest = this.#batches.keys().next().value;
      if (this.#batches.size > MAX_PLANS && oldest !== undefined) this.#batches.delete(oldest);
    }
    return known;
  }
}

/** The fields of a log line about a chunk. */
function logFieldsOf({ batchId, index }: ChunkJob, { record }: KnownBatch): object {
  return { batch: batchId, chunk: index, ...traceFields(record.spec.trace) };
}

function shuttingDown(): SconceError {
  return new SconceError('shutting_down', 'This worker is shutting down; the chunk goes to another one.');
}
