import { FINAL_STATUSES, type Batch } from '@sconce/contracts';
import { traceIdOf, type BatchRecord } from '@sconce/queue';
import { epochSeconds } from '../http/epoch-seconds.ts';

/** A batch as the API shows it. */
export function toBatchResource(batch: BatchRecord): Batch {
  const { spec, at, errors, rowsDone, rowsFailed } = batch;
  const progress = progressOf(batch);
  return {
    id: batch.id,
    object: 'batch',
    endpoint: spec.endpoint,
    errors: errors.length === 0 ? null : { object: 'list', data: errors },
    input_file_id: spec.inputFileId ?? null,
    completion_window: spec.completionWindow,
    status: batch.status,
    output_file_id: batch.outputFileId ?? null,
    error_file_id: batch.errorFileId ?? null,
    created_at: epochSeconds(batch.createdAtMs),
    in_progress_at: orNull(at.in_progress),
    expires_at: epochSeconds(batch.expiresAtMs),
    finalizing_at: orNull(at.finalizing),
    completed_at: orNull(at.completed),
    failed_at: orNull(at.failed),
    expired_at: orNull(at.expired),
    cancelling_at: orNull(at.cancelling),
    cancelled_at: orNull(at.cancelled),
    request_counts: { total: batch.rowsTotal ?? batch.rowsPlanned, completed: rowsDone, failed: rowsFailed },
    metadata: spec.metadata ?? null,
    model: spec.model,
    version: spec.version,
    format: spec.format,
    output_format: spec.table.output_format ?? spec.format,
    input_url: spec.input.kind === 'url' ? spec.input.url : null,
    priority: spec.priority,
    max_error_rate: spec.maxErrorRate,
    run: batch.run,
    progress: Math.round(progress * 10_000) / 10_000,
    rate: batch.rate === undefined ? null : Math.round(batch.rate * 10) / 10,
    eta: etaOf(batch, progress),
    timestamps_ms: { created: batch.createdAtMs, ...at },
    trace_id: traceIdOf(spec.trace) ?? null,
  };
}

/** Whether a batch has ended. */
export function hasEnded({ status }: Pick<BatchRecord, 'status'>): boolean {
  return (FINAL_STATUSES as readonly string[]).includes(status);
}

/** Share of a batch's rows that are scored, 0 to 1. */
export function progressOf(batch: BatchRecord): number {
  if (batch.status === 'completed' || batch.status === 'finalizing') return 1;
  const scored = batch.rowsDone + batch.rowsFailed;
  const total = batch.inputEnded ? batch.rowsPlanned : batch.rowsTotal;
  if (total !== undefined) return total === 0 ? 0 : scored / total;
  return batch.rowsPlanned === 0 ? 0 : (batch.inputShare ?? 0) * (scored / batch.rowsPlanned);
}

/** Seconds until all rows of a batch are scored; null if that cannot be estimated. */
export function etaOf({ rate, rowsDone, rowsFailed }: BatchRecord, progress: number): number | null {
  if (rate === undefined || rate <= 0 || progress <= 0) return null;
  const scored = rowsDone + rowsFailed;
  return Math.round((scored / progress - scored) / rate);
}

function orNull(ms: number | undefined): number | null {
  return ms === undefined ? null : epochSeconds(ms);
}
