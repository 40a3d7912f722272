import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { BatchError, ChunkPart } from '@sconce/contracts';
import { SconceError, toSconceError } from '@sconce/errors';
import type { BlobStore } from '@sconce/storage';
import { BatchWork, batchErrorOf, isOutage, type BatchRecord } from '@sconce/queue';
import type { WorkerConfig } from '../config.ts';
import { BLOB_STORE, CONFIG } from '../tokens.ts';
import type { AssembledFile, DatasetTasks } from './dataset-protocol.ts';
import { DatasetThreads } from './dataset-threads.ts';
import type { ScoringPlan } from './scoring-plan.ts';

/** Attempts to make the files of the results that may fail for another reason than an outage. */
const MAX_ASSEMBLE_FAILURES = 5;
/** How long an outage of the store delays the end of a batch that was cancelled, or whose window has ended, ms. */
const OUTAGE_PATIENCE_MS = 15_000;
/** How much longer a store may leave a request without an answer, ms. */
const HANG_MS = 5_000;

/** How a batch ends. */
export interface BatchEnd {
  readonly epoch: number;
  readonly signal: AbortSignal;
  readonly to: 'completed' | 'failed' | 'expired' | 'cancelled';
  /** The present state. In it no chunk is counted any more. */
  readonly from: 'validating' | 'finalizing' | 'cancelling';
  readonly errors?: readonly BatchError[];
}

/** Ends batches: makes the files of their results, and removes the blobs of deliveries that did not count. */
@Injectable()
export class BatchResults {
  constructor(
    @Inject(BatchWork) private readonly work: BatchWork,
    @Inject(DatasetThreads) private readonly threads: DatasetThreads,
    @Inject(BLOB_STORE) private readonly store: BlobStore,
    @Inject(CONFIG) private readonly config: Pick<WorkerConfig, 'queue'>,
  ) {}

  /** Ends a batch with the results that were counted. Returns false if another planner has taken the batch over. */
  async finish(record: BatchRecord, end: BatchEnd): Promise<boolean> {
    const { id } = record;
    const parts = await this.work.records.parts(id);
    const made = await this.#assemble(record, end, parts);
    const reported = made.missing === undefined ? end.errors : [...(end.errors ?? record.errors), made.missing];
    // The files are recorded before the state changes: a client that sees the state finds the files.
    const output = made.output && (await this.#file(record, made.output, 'output'));
    const errors = made.errors && (await this.#file(record, made.errors, 'error'));
    // Those of an earlier run go first for the same reason: a client that sees the state does not find them any more.
    for (const fileId of [record.outputFileId, record.errorFileId]) {
      if (fileId !== undefined) await this.work.files.forget(fileId);
    }
    const status = await this.work.records.finish(id, end.to, {
      from: [end.from],
      epoch: end.epoch,
      // Without the files, the blobs of its chunks stay.
      hasFiles: made.missing === undefined,
      fields: {
        output_file_id: output ?? '',
        error_file_id: errors ?? '',
        errors: reported === undefined ? undefined : JSON.stringify(reported),
      },
    });
    if (status !== end.to) {
      for (const fileId of [output, errors]) if (fileId !== undefined) await this.work.files.forget(fileId);
      return status !== undefined;
    }
    await this.#clear(record, new Set(parts.flatMap((part) => [part.output?.key ?? '', part.errors?.key ?? ''])));
    return true;
  }

  /**
   * Makes the files of the results. When that cannot be done in time, the batch ends without them, because it has to end: its parts stay,
   * and a retry makes the files.
   */
  async #assemble(
    record: BatchRecord,
    { signal }: BatchEnd,
    parts: readonly ChunkPart[],
  ): Promise<DatasetTasks['assemble']['reply'] & { readonly missing?: BatchError }> {
    const { id, run } = record;
    const plan = record.plan as ScoringPlan | undefined;
    if (plan === undefined) return {};
    const untilMs = assembleUntil(record);
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(
      () => stop.abort(new SconceError('storage_unavailable', 'The store does not answer.')),
      Math.max(0, untilMs - Date.now()) + HANG_MS,
    );
    try {
      return await this.threads.do('assemble', { plan, batchId: id, run, parts }, { signal: stop.signal });
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const error = toSconceError(thrown);
      const inTime = isOutage(error)
        ? Date.now() < untilMs
        : (await this.work.records.countFailure(id, 'assemble')) < MAX_ASSEMBLE_FAILURES;
      if (inTime) throw error;
      const message = `The files of the results could not be made: ${error.message}. When the cause is gone, retry the batch: its results were kept.`;
      return { missing: { ...batchErrorOf(error.toJSON()), message } };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #file({ id, spec }: BatchRecord, file: AssembledFile, name: 'output' | 'error'): Promise<string> {
    const fileId = `file-${randomBytes(12).toString('hex')}`;
    const createdAtMs = Date.now();
    const expiresAtMs = createdAtMs + (spec.outputTtlSeconds ?? this.config.queue.batchTtlSeconds) * 1_000;
    await this.work.files.create({
      id: fileId,
      filename: `${id}_${name}.${file.extension}`,
      purpose: 'batch_output',
      bytes: file.bytes,
      createdAtMs,
      expiresAtMs,
      mediaType: file.mediaType,
      content: { kind: 'parts', key: file.key, batchId: id },
      owner: spec.owner,
    });
    return fileId;
  }

  /** Removes the blobs of deliveries that were not counted. The blob of a delivery that is still writing stays until the batch is removed. */
  async #clear({ id }: BatchRecord, counted: ReadonlySet<string>): Promise<void> {
    for await (const { key } of this.store.list(`batches/${id}/parts/`)) {
      if (!counted.has(key)) await this.store.delete(key);
    }
    await this.store.delete(`batches/${id}/input`);
  }
}

/** Until when an outage of the store may delay a batch that only needs its files. A cancelled batch ends soon; others have their window. */
function assembleUntil({ status, at, expiresAtMs }: BatchRecord): number {
  const patienceMs = (at[status] ?? Date.now()) + OUTAGE_PATIENCE_MS;
  return status === 'cancelling' ? patienceMs : Math.max(expiresAtMs, patienceMs);
}
