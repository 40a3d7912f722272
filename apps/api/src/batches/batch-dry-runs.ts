import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { BatchDryRun } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { BatchProducer, type BatchRecord, type SubmitBatchOptions } from '@sconce/queue';
import { collectBytes } from '../http/collect-bytes.ts';
import { BatchOutput } from './batch-output.ts';
import { hasEnded } from './batch-resource.ts';

/** Rows that are scored. */
const ROWS = 5;
/** Longest time that a caller waits. */
const WAIT_MS = 60_000;
const FIRST_READ_MS = 20;
const MAX_READ_MS = 250;
/** Most bytes of results that an answer has. */
const MAX_RESULT_BYTES = 4 * 1024 ** 2;

type Row = BatchDryRun['rows'][number];

/** Runs a batch of the first rows, and says what a batch of all rows would do. */
@Injectable()
export class BatchDryRuns {
  constructor(
    @Inject(BatchProducer) private readonly producer: BatchProducer,
    @Inject(BatchOutput) private readonly output: BatchOutput,
  ) {}

  /**
   * @param asked the request of a batch. @throws SconceError as `BatchProducer.submit`; `deadline_exceeded` if no worker has answered in
   * a minute.
   */
  async run(asked: unknown, options: Omit<SubmitBatchOptions, 'previewRows' | 'idempotency'>): Promise<BatchDryRun> {
    const { id } = await this.producer.submit(asked, { ...options, previewRows: ROWS });
    const batch = await this.#ended(id);
    try {
      return await this.#describe(batch);
    } finally {
      for (const file of [batch.outputFileId, batch.errorFileId]) {
        if (file !== undefined) await this.producer.deleteFile(file).catch(() => undefined);
      }
    }
  }

  async #ended(id: string): Promise<BatchRecord> {
    const untilMs = Date.now() + WAIT_MS;
    for (let waitMs = FIRST_READ_MS; ; waitMs = Math.min(MAX_READ_MS, waitMs * 1.3)) {
      const batch = await this.producer.batch(id);
      if (hasEnded(batch)) return batch;
      if (Date.now() > untilMs) {
        await this.producer.cancel(id);
        throw new SconceError(
          'deadline_exceeded',
          `No worker finished the dry run in ${WAIT_MS / 1_000} s: the workers are busy, or there are none.`,
        );
      }
      await delay(waitMs);
    }
  }

  async #describe(batch: BatchRecord): Promise<BatchDryRun> {
    const { spec, preview, errors } = batch;
    if (preview === undefined) {
      // It failed before the dataset was read.
      const [first] = errors;
      throw new SconceError('invalid_dataset', first?.message ?? `The dry run is ${batch.status}.`, {
        details: { param: first?.param ?? undefined },
      });
    }
    const found = preview as unknown as Omit<BatchDryRun, 'object' | 'model' | 'version'>;
    const rows = batch.plan === undefined ? found.rows : await this.#scored(batch, found.rows);
    const allFail = rows.length > 0 && rows.every(({ error }) => error !== undefined);
    return {
      object: 'batch.dry_run',
      model: spec.model,
      version: spec.version,
      ...found,
      ok: found.ok && !allFail,
      rows,
    };
  }

  /** The rows with their results or errors. */
  async #scored(batch: BatchRecord, rows: readonly Row[]): Promise<readonly Row[]> {
    const [results, errors] = await Promise.all([this.#lines(batch, 'output'), this.#lines(batch, 'errors')]);
    const errorOf = new Map(errors.map((line) => [line['row'], line['error'] as Row['error']]));
    let next = 0;
    return rows.map((row) => {
      const error = errorOf.get(row.row);
      if (error !== undefined) return { ...row, error };
      const result = results[next++];
      return result === undefined ? row : { ...row, result };
    });
  }

  async #lines(batch: BatchRecord, which: 'output' | 'errors'): Promise<readonly Record<string, unknown>[]> {
    const count = which === 'output' ? batch.rowsDone : batch.rowsFailed;
    if (count === 0) return [];
    const { content } = await this.output.open(batch, which);
    const tooLarge = (): SconceError =>
      new SconceError('payload_too_large', `The results of ${ROWS} rows have more than ${MAX_RESULT_BYTES} bytes.`);
    const bytes = await collectBytes(content.stream, { maxBytes: MAX_RESULT_BYTES, tooLarge });
    return bytes
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}
