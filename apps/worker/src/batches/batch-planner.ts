import { Inject, Injectable } from '@nestjs/common';
import type { BatchError, ChunkJob, PlannerJob, WebhookEventType } from '@sconce/contracts';
import { SconceError, toSconceError } from '@sconce/errors';
import { BatchWork, batchErrorOf, type BatchRecord } from '@sconce/queue';
import type { BatchableModel } from '@sconce/runtime';
import { traceFields, type Logger, type Telemetry } from '@sconce/telemetry';
import { ServedModels, type ModelFinder } from '../inference/served-models.ts';
import { LOGGER, TELEMETRY } from '../tokens.ts';
import { BatchNotices } from './batch-notices.ts';
import { BatchResults, type BatchEnd } from './batch-results.ts';
import { traceStep } from './batch-trace.ts';
import { ChunkProcessor } from './chunk.processor.ts';
import { chunkPriority, chunkSize, chunkWindow } from './chunk-size.ts';
import { DatasetThreads } from './dataset-threads.ts';
import type { ScoredModel, ScoringPlan } from './scoring-plan.ts';

/** How often a batch is looked at where no notice comes. */
const LOOK_MS = 1_000;
/** Rows before a share of bad ones means anything. */
const MIN_ROWS_FOR_RATE = 100;
const CHUNKS_AT_ONCE = 16;
/** Planners of a batch after which a crash of the thread that reads its dataset fails it. */
const MAX_CRASHES = 8;

/** One planner's hold on a batch. */
interface Hold {
  readonly id: string;
  readonly epoch: number;
  readonly signal: AbortSignal;
}

/**
 * Sees a batch through: validates its dataset, keeps a bounded window of its chunks in the queue, puts the results together.
 *
 * Everything it knows is in the batch's record, and every step is one script that a planner which has been replaced cannot make any
 * more. So it can be killed at any point: the next one goes on from there.
 */
@Injectable()
export class BatchPlanner {
  readonly notices = new BatchNotices();

  constructor(
    @Inject(BatchWork) private readonly work: BatchWork,
    @Inject(DatasetThreads) private readonly threads: DatasetThreads,
    @Inject(ServedModels) private readonly models: ModelFinder,
    @Inject(ChunkProcessor) private readonly chunks: ChunkProcessor,
    @Inject(BatchResults) private readonly results: BatchResults,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(TELEMETRY) private readonly telemetry: Telemetry,
  ) {}

  /** Resolves when the batch has ended, or has gone to another planner. */
  async handle({ batchId: id, run }: PlannerJob, signal: AbortSignal): Promise<void> {
    const epoch = await this.work.records.takeOver(id, run);
    if (epoch === undefined) return;
    const hold: Hold = { id, epoch, signal };
    let seen: BatchRecord | undefined;
    try {
      await this.#addAgain(hold);
      for (;;) {
        if (signal.aborted) return;
        const record = await this.work.records.get(id);
        seen = record;
        if (record === undefined || record.run !== run || !(await this.#step(record, hold))) return;
      }
    } catch (error) {
      const about = { batch: id, epoch, ...traceFields(seen?.spec.trace) };
      if (!signal.aborted) this.logger.warn({ err: error, ...about }, 'batch not planned, for now');
      throw error;
    }
  }

  /** One step. False where nothing is left to do. */
  async #step(record: BatchRecord, hold: Hold): Promise<boolean> {
    switch (record.status) {
      case 'validating':
        return this.#validate(record, hold);
      case 'in_progress':
        return this.#plan(record, hold);
      case 'finalizing':
        return this.#finish(record, { ...hold, to: record.endsAs, from: 'finalizing' });
      case 'cancelling':
        this.chunks.cancel(record.id);
        return this.#finish(record, { ...hold, to: 'cancelled', from: 'cancelling' });
      default:
        await this.#announce(record);
        return false;
    }
  }

  /** Tells whoever is to hear of the batch's end; then nothing is left to do for it. */
  async #announce({ id, run, spec, status, at }: BatchRecord): Promise<void> {
    this.telemetry.metrics.batches.add(1, { outcome: status });
    if (spec.webhook !== undefined) {
      await this.work.webhooks.add({
        v: 1,
        eventId: `evt_${id}_${run}`,
        type: `batch.${status}` as WebhookEventType,
        createdAt: Math.floor((at[status] ?? Date.now()) / 1_000),
        data: { id },
        ...spec.webhook,
        ...(spec.trace === undefined ? {} : { trace: spec.trace }),
      });
    }
    await this.work.records.dropUnfinished(id);
  }

  /** Ends a batch, and says in its trace how. */
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
      ...(end.to === 'failed' ? { error: { message: (end.errors ?? record.errors)[0]?.message ?? 'failed' } } : {}),
    });
    return more;
  }

  async #validate(record: BatchRecord, hold: Hold): Promise<boolean> {
    const { spec, id } = record;
    const startMs = Date.now();
    let reply;
    try {
      const model = await this.models.find(spec.model, spec.version);
      const task = { batchId: id, spec, model: scoredModel(model, spec.endpoint), runRows: runRowsOf(model) };
      reply = await this.threads.do('validate', task, { signal: hold.signal });
    } catch (thrown) {
      const error = toSconceError(thrown);
      if (hold.signal.aborted || !(FATAL.has(error.code) || isGivenUp(error, hold))) throw error;
      reply = { errors: [batchErrorOf(error.toJSON())] };
    }
    const refusal = 'errors' in reply ? reply.errors[0] : undefined;
    traceStep(this.telemetry.tracer, { batch: record, name: 'sconce.validate', startMs, error: refusal });
    if ('errors' in reply) {
      const about = { batch: id, errors: reply.errors.slice(0, 3), ...traceFields(spec.trace) };
      this.logger.info(about, 'batch refused');
      return this.#finish(record, { ...hold, to: 'failed', from: 'validating', errors: reply.errors });
    }
    const { plan, start, rows } = reply.dataset;
    const fields = { plan: JSON.stringify(plan), cursor: JSON.stringify(start), rows_total: rows };
    await this.work.records.enter(id, 'in_progress', { from: ['validating'], epoch: hold.epoch, fields });
    return true;
  }

  async #plan(record: BatchRecord, hold: Hold): Promise<boolean> {
    const { id, spec } = record;
    const plan = record.plan as ScoringPlan | undefined;
    if (plan === undefined) throw new SconceError('internal', `Batch ${id} is in progress without a plan`);
    if (Date.now() > record.expiresAtMs) return this.#finalize(record, hold, { endsAs: 'expired' });
    const tooMany = errorRate(record);
    if (tooMany !== undefined) return this.#finalize(record, hold, { endsAs: 'failed', errors: [tooMany] });
    const open = record.chunksPlanned - record.chunksDone;
    if (record.inputEnded && open === 0) return this.#finalize(record, hold, { endsAs: 'completed' });
    const slots = await this.work.slots(spec.pool);
    const free = chunkWindow(record, slots) - open;
    if (!record.inputEnded && free > 0) {
      const unreadable = await this.#addChunks(record, plan, { hold, count: Math.min(free, CHUNKS_AT_ONCE), slots });
      if (unreadable === undefined) return true;
      return this.#finalize(record, hold, { endsAs: 'failed', errors: [unreadable] });
    }
    const untilExpiryMs = Math.max(0, record.expiresAtMs - Date.now());
    await this.notices.wait(id, Math.min(LOOK_MS, untilExpiryMs + 1), hold.signal);
    return true;
  }

  /** Plans and queues the next chunks. Answers why the dataset cannot be read any further, where that is so. */
  async #addChunks(
    record: BatchRecord,
    plan: ScoringPlan,
    { hold, count, slots }: { hold: Hold; count: number; slots: number },
  ): Promise<BatchError | undefined> {
    const { id, spec } = record;
    const model = await this.models.find(spec.model, spec.version).catch(() => undefined);
    const pace = model === undefined ? undefined : measuredPace(model, plan.runRows);
    const size = chunkSize(record, plan, { slots, ...(pace === undefined ? {} : { measuredPace: pace }) });
    const from = record.cursor ?? { row: 0, offset: 0 };
    let planned;
    try {
      planned = await this.threads.do('plan', { plan, from, size, count }, { signal: hold.signal });
    } catch (thrown) {
      const error = toSconceError(thrown);
      if (hold.signal.aborted || !(error.code === 'invalid_dataset' || isGivenUp(error, hold))) throw error;
      return batchErrorOf(error.toJSON(), from.row + 1);
    }
    const chunks = planned.chunks.map((range, index) => ({ index: record.chunksPlanned + index, range }));
    const isText = plan.format === 'csv' || plan.format === 'jsonl';
    const outcome = await this.work.records.plan(id, hold.epoch, {
      chunks,
      cursor: planned.next,
      ended: planned.last,
      ...(isText && plan.dataset.sizeBytes > 0 ? { share: planned.next.offset / plan.dataset.sizeBytes } : {}),
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

  /** A planner that died may have noted chunks and not queued them; Redis may have forgotten some. What is there stays as it is. */
  async #addAgain({ id }: Hold): Promise<void> {
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

  /** No chunk is counted from here on; what is under way for the batch is ended. */
  async #finalize(
    { id }: BatchRecord,
    { epoch }: Hold,
    end: { readonly endsAs: BatchRecord['endsAs']; readonly errors?: readonly BatchError[] },
  ): Promise<boolean> {
    const { endsAs, errors } = end;
    const fields = { ends_as: endsAs, errors: errors === undefined ? undefined : JSON.stringify(errors) };
    await this.work.records.enter(id, 'finalizing', { from: ['in_progress'], epoch, fields });
    if (endsAs !== 'completed') await this.work.tell(id);
    return true;
  }
}

/** Errors of the model or the request that no repetition mends. */
const FATAL: ReadonlySet<SconceError['code']> = new Set([
  'invalid_request',
  'invalid_dataset',
  'model_not_found',
  'model_not_ready',
  'model_invalid',
]);

/** Whether a dataset has ended the threads that read it so often that it will again. */
function isGivenUp({ code }: SconceError, { epoch }: Hold): boolean {
  return code === 'thread_crashed' && epoch >= MAX_CRASHES;
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
    message: `${rowsFailed} of the first ${rows} rows failed (${share} %), more than max_error_rate ${spec.maxErrorRate} allows; the error file says why.`,
    param: 'max_error_rate',
    line: null,
  };
}

function scoredModel({ name, version, signature, rowInputs }: BatchableModel, endpoint: string): ScoredModel {
  const { inputs, outputs } = signature;
  return { name, version, endpoint, signature: { inputs, outputs }, rowInputs: [...rowInputs] };
}

/** Rows of a run: those that give the best throughput, the very number of a `locked` model, one row where rows cannot share a run. */
function runRowsOf({ axis, maxBatchRows, bulkRows = maxBatchRows }: BatchableModel): number {
  return axis === 'none' ? 1 : bulkRows;
}

function measuredPace({ measured = [] }: BatchableModel, runRows: number): number | undefined {
  const near = measured.toSorted((a, b) => Math.abs(a.rows - runRows) - Math.abs(b.rows - runRows))[0];
  return near === undefined || near.latencyMs <= 0 ? undefined : near.rows / near.latencyMs;
}
