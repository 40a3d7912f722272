import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { BatchError } from '@sconce/contracts';
import type { BlobStore } from '@sconce/storage';
import { BatchWork, type BatchRecord } from '@sconce/queue';
import type { WorkerConfig } from '../config.ts';
import { BLOB_STORE, CONFIG } from '../tokens.ts';
import type { AssembledFile } from './dataset-protocol.ts';
import { DatasetThreads } from './dataset-threads.ts';
import type { ScoringPlan } from './scoring-plan.ts';

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
    const plan = record.plan as ScoringPlan | undefined;
    const parts = await this.work.records.parts(id);
    const made =
      plan === undefined
        ? {}
        : await this.threads.do('assemble', { plan, batchId: id, run: record.run, parts }, { signal: end.signal });
    // The files are recorded before the state changes: a client that sees the state finds the files.
    const output = made.output && (await this.#file(record, made.output, 'output'));
    const errors = made.errors && (await this.#file(record, made.errors, 'error'));
    const status = await this.work.records.finish(id, end.to, {
      from: [end.from],
      epoch: end.epoch,
      fields: {
        output_file_id: output ?? '',
        error_file_id: errors ?? '',
        errors: end.errors === undefined ? undefined : JSON.stringify(end.errors),
      },
    });
    if (status !== end.to) {
      for (const fileId of [output, errors]) if (fileId !== undefined) await this.work.files.forget(fileId);
      return status !== undefined;
    }
    for (const fileId of [record.outputFileId, record.errorFileId]) {
      if (fileId !== undefined) await this.work.files.forget(fileId);
    }
    await this.#clear(record, new Set(parts.flatMap((part) => [part.output?.key ?? '', part.errors?.key ?? ''])));
    return true;
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
