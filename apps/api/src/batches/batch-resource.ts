import { FINAL_STATUSES, type BatchStatus } from '@sconce/contracts';
import { traceIdOf, type BatchError, type BatchRecord } from '@sconce/queue';

/** A batch as OpenAI's clients know it, and what is ours on top; times are epoch seconds. */
export interface BatchResource {
  readonly id: string;
  readonly object: 'batch';
  readonly endpoint: string;
  readonly errors: { readonly object: 'list'; readonly data: readonly BatchError[] } | null;
  readonly input_file_id: string | null;
  readonly completion_window: string;
  readonly status: BatchStatus;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
  readonly created_at: number;
  readonly in_progress_at: number | null;
  readonly expires_at: number;
  readonly finalizing_at: number | null;
  readonly completed_at: number | null;
  readonly failed_at: number | null;
  readonly expired_at: number | null;
  readonly cancelling_at: number | null;
  readonly cancelled_at: number | null;
  /** Rows, or request lines. `total` grows while the input of a table is still being read. */
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly model: string;
  readonly version: string;
  readonly format: string;
  readonly output_format: string;
  readonly input_url: string | null;
  readonly priority: number;
  readonly max_error_rate: number;
  /** 1, and one more with every retry. */
  readonly run: number;
  /** Share of the input that has been scored, 0 to 1. */
  readonly progress: number;
  /** Rows per second of late; null unless it is in progress. */
  readonly rate: number | null;
  /** Seconds it will take yet at that rate. */
  readonly eta: number | null;
  /** Epoch ms at which it was accepted (`created`) and entered each state, of its last run. */
  readonly timestamps_ms: Readonly<Record<string, number>>;
  /** Its trace, where one is recorded: `GET /v1/traces/{id}`. */
  readonly trace_id: string | null;
}

export function toBatchResource(batch: BatchRecord): BatchResource {
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
    created_at: seconds(batch.createdAtMs),
    in_progress_at: orNull(at.in_progress),
    expires_at: seconds(batch.expiresAtMs),
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

/** Seconds that a batch will take yet; null where nothing is known of it. */
export function etaOf({ rate, rowsDone, rowsFailed }: BatchRecord, progress: number): number | null {
  if (rate === undefined || rate <= 0 || progress <= 0) return null;
  const scored = rowsDone + rowsFailed;
  return Math.round((scored / progress - scored) / rate);
}

function orNull(ms: number | undefined): number | null {
  return ms === undefined ? null : seconds(ms);
}

function seconds(ms: number): number {
  return Math.floor(ms / 1_000);
}
