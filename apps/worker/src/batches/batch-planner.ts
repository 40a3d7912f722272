import { Inject, Injectable } from '@nestjs/common';
import type { BatchError, ChunkJob, PlannerJob, WebhookEventType } from '@sconce/contracts';
import type { DatasetPreview } from '@sconce/datasets';
import { SconceError, toSconceError } from '@sconce/errors';
import { BatchWork, batchErrorOf, type BatchCursor, type BatchRecord } from '@sconce/queue';
import type { BatchableModel } from '@sconce/runtime';
import { ServedModels, type ModelFinder } from '@sconce/serving';
import { traceFields, type Logger, type Telemetry } from '@sconce/telemetry';
import { LOGGER, TELEMETRY } from '../tokens.ts';
import { BatchNotices } from './batch-notices.ts';
import { BatchResults, type BatchEnd } from './batch-results.ts';
import { traceStep } from './batch-trace.ts';
import { BatchWatch } from './batch-watch.ts';
import { ChunkProcessor } from './chunk.processor.ts';
import { chunkPriority, chunkSize, chunkWindow, limitedChunks } from './chunk-size.ts';
import { DatasetThreads } from './dataset-threads.ts';
import type { ScoredModel, ScoringPlan } from './scoring-plan.ts';

/** How often the planner reads a batch's record if no notice comes. */
const READ_RECORD_MS = 1_000;
/** Rows that must have been scored before the share of bad rows counts. */
const MIN_ROWS_FOR_RATE = 100;
/** Chunks that are planned and queued in one step. */
const CHUNKS_AT_ONCE = 16;
/** From this epoch on, a crash of the thread that reads the dataset fails the batch. */
const MAX_CRASHES = 8;

/** Validations that may find the store full. Then the batch fails. */
const MAX_FULL_STORES = 4;
/** After so long without a counted chunk, the planner looks whether the open chunks are still in the queue. */
const STUCK_MS = 30_000;

/** A batch that this planner has taken over. */
interface Planning {
  readonly id: string;
  readonly epoch: number;
  readonly signal: AbortSignal;
  /** Chunks that were counted when the planner last looked, since when their number has not changed, and the connection to Redis. */
  readonly progress: { chunksDone: number; sinceMs: number; connection: number };
}

/**
 * Leads a batch from validation to its results: validates the dataset, keeps a bounded window of chunks in the queue, and assembles the
 * results.
 *
 * All its state is in the batch's record. Every step is one Redis script, which refuses planners of an older epoch. So a planner can be
 * killed at any point, and the next one continues there.
 */
@Injectable()
export class BatchPlanner {
  readonly notices = new BatchNotices();
  readonly #watch: BatchWatch;

  constructor(
    @Inject(BatchWork) private readonly work: BatchWork,
    @Inject(DatasetThreads) private readonly threads: DatasetThreads,
    @Inject(ServedModels) private readonly models: ModelFinder,
    @Inject(ChunkProcessor) private readonly chunks: ChunkProcessor,
    @Inject(BatchResults) private readonly results: BatchResults,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(TELEMETRY) private readonly telemetry: Telemetry,
  ) {
    this.#watch = new BatchWatch(work.records, this.notices);
  }

  /** Resolves when the batch has ended, when another planner has taken it over, or when the signal is aborted. */
  async handle({ batchId: id, run }: PlannerJob, signal: AbortSignal): Promise<void> {
    const epoch = await this.work.records.takeOver(id, run);
    if (epoch === undefined) return;
    const progress = { chunksDone: -1, sinceMs: Date.now(), connection: this.work.connection };
    const planning: Planning = { id, epoch, signal, progress };
    let seen: BatchRecord | undefined;
    try {
      await this.#queueOpenChunks(planning);
      for (;;) {
        if (signal.aborted) return;
        const record = await this.work.records.get(id);
        seen = record;
        if (record === undefined || record.run !== run || !(await this.#step(record, planning))) return;
      }
    } catch (error) {
      const about = { batch: id, epoch, ...traceFields(seen?.spec.trace) };
      if (!signal.aborted) this.logger.warn({ err: error, ...about }, 'planning a batch failed, and is tried again');
      throw error;
    }
  }

  /** Makes one step. Returns false if nothing is left to do. */
  async #step(record: BatchRecord, planning: Planning): Promise<boolean> {
    switch (record.status) {
      case 'validating':
        return this.#validate(record, planning);
      case 'in_progress':
        return this.#plan(record, planning);
      case 'finalizing':
        return this.#finish(record, { ...planning, to: record.endsAs, from: 'finalizing' });
      case 'cancelling':
        this.chunks.cancel(record.id);
        return this.#finish(record, { ...planning, to: 'cancelled', from: 'cancelling' });
      default:
        await this.#announce(record);
        return false;
    }
  }

  /** Queues the webhook for the batch's end. After that, nothing is left to do for the batch. */
  async #announce({ id, run, spec, status, at }: BatchRecord): Promise<void> {
    this.telemetry.metrics.batches.add(1, { outcome: status });
    const { webhook } = spec;
    await this.work.together(async () => {
      if (webhook !== undefined) {
        await this.work.webhooks.add({
          v: 1,
          eventId: `evt_${id}_${run}`,
          type: `batch.${status}` as WebhookEventType,
          createdAt: Math.floor((at[status] ?? Date.now()) / 1_000),
          data: { id },
          ...webhook,
          trace: spec.trace,
        });
      }
      await this.work.records.dropUnfinished(id);
    });
  }

  /** Ends a batch, and records the end in its trace. */
  async #finish(record: BatchRecord, end: BatchEnd): Promise<boolean> {
    const startMs = Date.now();
    const more = await this.results.finish(record, end);
    traceStep(this.telemetry.tracer, {
      batch: record,
      name: 'sconce.finalize',
      startMs,
      attributes: {
        'sconce.batch.status': end.to,
        'sconce.batch.chunks': record.chunksDone,
        'sconce.batch.rows': record.rowsDone,
        'sconce.batch.failed_rows': record.rowsFailed,
      },
      error: end.to === 'failed' ? { message: (end.errors ?? record.errors)[0]?.message ?? 'failed' } : undefined,
    });
    return more;
  }

  async #validate(record: BatchRecord, planning: Planning): Promise<boolean> {
    const { spec, id } = record;
    const startMs = Date.now();
    if (startMs > record.expiresAtMs) return this.#finish(record, { ...planning, to: 'expired', from: 'validating' });
    let reply;
    try {
      reply = await this.#watch.during(record, planning.signal, async (signal) => {
        const model = await this.models.find(spec.model, spec.version);
        const task = { batchId: id, spec, model: scoredModel(model, spec.endpoint), runRows: runRowsOf(model) };
        return this.threads.do('validate', task, { signal });
      });
    } catch (thrown) {
      const error = toSconceError(thrown);
      if (planning.signal.aborted || !(await this.#endsValidation(error, planning))) throw error;
      reply = { errors: [batchErrorOf(error.toJSON())] };
    }
    // The next step ends the batch: it was cancelled, or its window is over.
    if (reply === undefined) return true;
    if (reply.preview !== undefined) await this.#keepPreview(record, reply.preview);
    const refusal = 'errors' in reply ? reply.errors[0] : undefined;
    traceStep(this.telemetry.tracer, { batch: record, name: 'sconce.validate', startMs, error: refusal });
    if ('errors' in reply) {
      const about = { batch: id, errors: reply.errors.slice(0, 3), ...traceFields(spec.trace) };
      this.logger.info(about, 'the dataset of a batch was refused');
      return this.#finish(record, { ...planning, to: 'failed', from: 'validating', errors: reply.errors });
    }
    const { plan, start, rows } = reply.dataset;
    const fields = { plan: JSON.stringify(plan), cursor: JSON.stringify(start), rows_total: rows };
    await this.work.records.enter(id, 'in_progress', { from: ['validating'], epoch: planning.epoch, fields });
    return true;
  }

  /** Keeps what a dry run found, with the time that the runs take on one worker at the pace of the registration. */
  async #keepPreview({ id, spec }: BatchRecord, preview: DatasetPreview): Promise<void> {
    const model = await this.models.find(spec.model, spec.version);
    const pace = measuredPace(model, runRowsOf(model));
    const { rows } = preview.dataset;
    const seconds = pace === undefined || rows === null ? undefined : Math.ceil(rows / pace / 100) / 10;
    await this.work.records.keepPreview(id, { ...preview, estimate: seconds === undefined ? null : { seconds } });
  }

  /** Whether the batch fails with this error. Otherwise it is validated again. */
  async #endsValidation(error: SconceError, planning: Planning): Promise<boolean> {
    if (FATAL.has(error.code) || crashesThreads(error, planning)) return true;
    if (error.code !== 'storage_full') return false;
    return (await this.work.records.countFailure(planning.id, 'validate')) >= MAX_FULL_STORES;
  }

  async #plan(record: BatchRecord, planning: Planning): Promise<boolean> {
    const { id, spec } = record;
    const plan = record.plan as ScoringPlan | undefined;
    if (plan === undefined) throw new SconceError('internal', `Batch ${id} is in progress without a plan`);
    if (Date.now() > record.expiresAtMs) return this.#finalize(record, planning, { endsAs: 'expired' });
    const tooMany = errorRate(record);
    if (tooMany !== undefined) return this.#finalize(record, planning, { endsAs: 'failed', errors: [tooMany] });
    const open = record.chunksPlanned - record.chunksDone;
    if (record.inputEnded && open === 0) {
      const failure = await this.#failureOfAllRows(record);
      if (failure === undefined) return this.#finalize(record, planning, { endsAs: 'completed' });
      return this.#finalize(record, planning, { endsAs: 'failed', errors: [failure] });
    }
    const slots = await this.work.slots(spec.pool);
    const free = chunkWindow(record, slots) - open;
    if (!record.inputEnded && free > 0) {
      const unreadable = await this.#addChunks(record, plan, {
        planning,
        count: Math.min(free, CHUNKS_AT_ONCE),
        slots,
      });
      if (unreadable === undefined) return true;
      return this.#finalize(record, planning, { endsAs: 'failed', errors: [unreadable] });
    }
    if (isStuck(record, planning) || this.#isReconnected(planning)) await this.#queueOpenChunks(planning);
    const untilExpiryMs = Math.max(0, record.expiresAtMs - Date.now());
    await this.notices.wait(id, Math.min(READ_RECORD_MS, untilExpiryMs + 1), planning.signal);
    return true;
  }

  /** The error of a batch whose every row failed: why no row could be read, or that no row was scored. */
  async #failureOfAllRows({ id, rowsDone, rowsFailed }: BatchRecord): Promise<BatchError | undefined> {
    if (rowsDone > 0 || rowsFailed === 0) return undefined;
    const parts = await this.work.records.parts(id);
    const [first] = parts;
    if (first?.unreadable === undefined || parts.some(({ unreadable }) => unreadable === undefined)) {
      const message = `All ${rowsFailed} rows failed. The error file has the reasons.`;
      return { code: 'invalid_dataset', message, param: null, line: null };
    }
    return batchErrorOf({ code: 'invalid_dataset', message: first.unreadable });
  }

  /** Plans and queues the next chunks. If the rest of the dataset cannot be read, returns the reason. */
  async #addChunks(
    record: BatchRecord,
    plan: ScoringPlan,
    { planning, count, slots }: { planning: Planning; count: number; slots: number },
  ): Promise<BatchError | undefined> {
    const { id, spec } = record;
    const model = await this.models.find(spec.model, spec.version).catch(() => undefined);
    const pace = model === undefined ? undefined : measuredPace(model, plan.runRows);
    const { limit = Infinity } = plan;
    const next = limitedChunks(
      chunkSize(record, plan, { slots, measuredPace: pace }),
      count,
      limit - record.rowsPlanned,
    );
    const from = record.cursor ?? { row: 0, offset: 0 };
    let planned;
    try {
      planned = await this.#watch.during(record, planning.signal, (signal) =>
        this.threads.do('plan', { plan, from, ...next }, { signal }),
      );
    } catch (thrown) {
      const error = toSconceError(thrown);
      if (planning.signal.aborted || !(error.code === 'invalid_dataset' || crashesThreads(error, planning)))
        throw error;
      return batchErrorOf(error.toJSON(), from.row + 1);
    }
    if (planned === undefined) return undefined;
    const chunks = planned.chunks.map((range, index) => ({ index: record.chunksPlanned + index, range }));
    const rows = planned.next.row;
    const outcome = await this.work.records.plan(id, planning.epoch, {
      chunks,
      cursor: planned.next,
      ended: planned.last || rows >= limit,
      share: plannedShare(plan, planned.next),
    });
    if (outcome === 'ok') {
      await this.work.queues.addChunks(
        spec.pool,
        chunks.map((chunk, index) => ({
          data: jobOf(record, chunk),
          priority: chunkPriority(record, { ahead: record.chunksPlanned - record.chunksDone + index, slots }),
        })),
      );
    }
    return undefined;
  }

  /**
   * Queues chunks that a planner recorded before it died and did not queue, or that Redis lost. Chunks in the queue do not change. Called by
   * a new planner, after a new connection to Redis (a failover may have lost queue jobs), and when no chunk has been counted for a while.
   */
  async #queueOpenChunks({ id }: Planning): Promise<void> {
    const record = await this.work.records.get(id);
    if (record?.status !== 'in_progress') return;
    const [open, slots] = await Promise.all([this.work.records.openChunks(id), this.work.slots(record.spec.pool)]);
    await this.work.queues.addChunks(
      record.spec.pool,
      open.map((chunk, ahead) => ({
        data: jobOf(record, chunk),
        priority: chunkPriority(record, { ahead, slots }),
      })),
    );
  }

  /** Whether the connection to Redis is another one than at the last call. */
  #isReconnected({ progress }: Planning): boolean {
    const { connection } = this.work;
    if (connection === progress.connection) return false;
    progress.connection = connection;
    return true;
  }

  /** Enters `finalizing`: no chunk is counted any more, and chunks in flight are told to stop. */
  async #finalize(
    { id }: BatchRecord,
    { epoch }: Planning,
    end: { readonly endsAs: BatchRecord['endsAs']; readonly errors?: readonly BatchError[] },
  ): Promise<boolean> {
    const { endsAs, errors } = end;
    const fields = { ends_as: endsAs, errors: errors === undefined ? undefined : JSON.stringify(errors) };
    await this.work.records.enter(id, 'finalizing', { from: ['in_progress'], epoch, fields });
    if (endsAs !== 'completed') await this.work.tell(id);
    return true;
  }
}

/** Errors of the model or the request that a retry does not change. */
const FATAL: ReadonlySet<SconceError['code']> = new Set([
  'invalid_request',
  'invalid_dataset',
  'model_not_found',
  'model_not_ready',
  'model_invalid',
]);

/** Whether no chunk has been counted for a while. The time then begins anew. */
function isStuck({ chunksDone }: BatchRecord, { progress }: Planning): boolean {
  const nowMs = Date.now();
  if (progress.chunksDone === chunksDone && nowMs - progress.sinceMs < STUCK_MS) return false;
  const isSame = progress.chunksDone === chunksDone;
  Object.assign(progress, { chunksDone, sinceMs: nowMs });
  return isSame;
}

/** Whether the dataset has crashed its threads so often that the batch fails. */
function crashesThreads({ code }: SconceError, { epoch }: Planning): boolean {
  return code === 'thread_crashed' && epoch >= MAX_CRASHES;
}

/** Share of a text that has been planned, of which the number of rows is not known. */
function plannedShare({ format, dataset, limit }: ScoringPlan, { row, offset }: BatchCursor): number | undefined {
  if ((format !== 'csv' && format !== 'jsonl') || dataset.sizeBytes === 0) return undefined;
  return Math.max(offset / dataset.sizeBytes, limit === undefined ? 0 : Math.min(1, row / limit));
}

function jobOf(
  { id, run, spec }: BatchRecord,
  { index, range }: { index: number; range: ChunkJob['range'] },
): ChunkJob {
  return { v: 1, batchId: id, run, index, model: spec.model, version: spec.version, range };
}

function errorRate({ spec, rowsDone, rowsFailed, inputEnded }: BatchRecord): BatchError | undefined {
  const rows = rowsDone + rowsFailed;
  if (rowsFailed === 0 || (rows < MIN_ROWS_FOR_RATE && !inputEnded) || rowsFailed / rows <= spec.maxErrorRate)
    return undefined;
  const share = ((100 * rowsFailed) / rows).toFixed(1);
  return {
    code: 'too_many_errors',
    message: `${rowsFailed} of the first ${rows} rows failed (${share} %), which is more than max_error_rate ${spec.maxErrorRate} allows. The error file has the reasons.`,
    param: 'max_error_rate',
    line: null,
  };
}

function scoredModel(model: BatchableModel, endpoint: string): ScoredModel {
  const { name, version, signature, rowInputs, inputBudget: budget } = model;
  const { inputs, outputs } = signature;
  return { name, version, endpoint, signature: { inputs, outputs }, rowInputs: [...rowInputs], budget };
}

/** Rows of a run: the number with the best throughput, the exact number of a `locked` model, or 1 if rows cannot share a run. */
function runRowsOf({ axis, maxBatchRows, bulkRows = maxBatchRows }: BatchableModel): number {
  return axis === 'none' ? 1 : bulkRows;
}

function measuredPace({ measured = [] }: BatchableModel, runRows: number): number | undefined {
  const near = measured.toSorted((a, b) => Math.abs(a.rows - runRows) - Math.abs(b.rows - runRows))[0];
  return near === undefined || near.latencyMs <= 0 ? undefined : near.rows / near.latencyMs;
}
