import type { BatchError, BatchSpec, BatchStatus } from '@sconce/contracts';
import type { SerializedError } from '@sconce/errors';

/** How the batch is read, run and written. Validation finds it, and it is the same for all chunks. Only workers read this JSON. */
export type BatchPlan = Readonly<Record<string, unknown>>;

/** How far a batch has been planned. */
export interface BatchCursor {
  readonly row: number;
  readonly offset: number;
}

/** A batch as it is now. */
export interface BatchRecord {
  readonly id: string;
  readonly spec: BatchSpec;
  readonly status: BatchStatus;
  /** Epoch ms at which it entered each state (again, after a retry). */
  readonly at: Readonly<Partial<Record<BatchStatus, number>>>;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** 1, and one more with each retry. */
  readonly run: number;
  readonly plan?: BatchPlan;
  readonly cursor?: BatchCursor;
  /** Whether `cursor` is the end of the dataset. Then `rowsPlanned` is the number of all rows. */
  readonly inputEnded: boolean;
  /** Rows of the dataset, when their number is known before they are planned. */
  readonly rowsTotal?: number;
  readonly rowsPlanned: number;
  readonly rowsDone: number;
  readonly rowsFailed: number;
  readonly chunksPlanned: number;
  readonly chunksDone: number;
  /** Share of the dataset that has been planned, by bytes, when the number of rows is unknown; 0 to 1. */
  readonly inputShare?: number;
  /** Rows per ms of one chunk: an average in which the last chunks count most. */
  readonly pace?: number;
  /** Rows per second over all workers, in the last seconds. */
  readonly rate?: number;
  readonly errors: readonly BatchError[];
  /** The state that follows `finalizing`. */
  readonly endsAs: 'completed' | 'failed' | 'expired';
  readonly outputFileId?: string;
  readonly errorFileId?: string;
  /** What a dry run found, as the worker wrote it. */
  readonly preview?: Readonly<Record<string, unknown>>;
}

/** Reads the reply of `HGETALL`; undefined when there is no such record. */
export function readBatchRecord(id: string, fields: Readonly<Record<string, string>>): BatchRecord | undefined {
  const { status, spec } = fields;
  if (status === undefined || spec === undefined) return undefined;
  const number = (name: string): number => Number(fields[name] ?? 0);
  const json = <T>(name: string): T | undefined => {
    const text = fields[name];
    return text === undefined || text === '' ? undefined : (JSON.parse(text) as T);
  };
  const at = Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      name.endsWith('_at') && name !== 'created_at' && name !== 'expires_at'
        ? [[name.slice(0, -3), Number(value)]]
        : [],
    ),
  );
  const plan = json<BatchPlan>('plan');
  const cursor = json<BatchCursor>('cursor');
  const rate = rateOf(fields);
  const rowsTotal = fields['rows_total'];
  return {
    id,
    spec: JSON.parse(spec) as BatchSpec,
    status: status as BatchStatus,
    at,
    createdAtMs: number('created_at'),
    expiresAtMs: number('expires_at'),
    run: number('run'),
    plan,
    cursor,
    inputEnded: fields['input_ended'] === '1',
    rowsTotal: rowsTotal === undefined ? undefined : Number(rowsTotal),
    rowsPlanned: number('rows_planned'),
    rowsDone: number('rows_done'),
    rowsFailed: number('rows_failed'),
    chunksPlanned: number('chunks_planned'),
    chunksDone: number('chunks_done'),
    inputShare: fields['input_share'] === undefined ? undefined : number('input_share'),
    pace: fields['pace'] === undefined ? undefined : number('pace'),
    rate,
    errors: json<BatchError[]>('errors') ?? [],
    endsAs: (fields['ends_as'] ?? 'completed') as BatchRecord['endsAs'],
    outputFileId: fields['output_file_id'] || undefined,
    errorFileId: fields['error_file_id'] || undefined,
    preview: json<Record<string, unknown>>('preview'),
  };
}

/** Rows per second over this window and the window before it: some ten to twenty seconds. */
function rateOf(fields: Readonly<Record<string, string>>): number | undefined {
  const { window_at: at, in_progress_at: begun } = fields;
  if (at === undefined || begun === undefined || fields['status'] !== 'in_progress') return undefined;
  const since = Number(fields['last_window_at'] ?? begun);
  const rows = Number(fields['window_rows'] ?? 0) + Number(fields['last_window_rows'] ?? 0);
  const seconds = (Date.now() - since) / 1_000;
  return seconds > 0 ? rows / seconds : undefined;
}

/** An error as a batch shows it. */
export function batchErrorOf(error: SerializedError, line?: number): BatchError {
  const { code, message, details } = error;
  return { code, message, param: typeof details?.param === 'string' ? details.param : null, line: line ?? null };
}
