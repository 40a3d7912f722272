import type { BatchFormat, BatchStatus } from '@sconce/contracts';

/** What was wrong with a batch as a whole. */
export interface BatchError {
  readonly code: string;
  readonly message: string;
  readonly param?: string | null;
  /** The row at fault, from 1. */
  readonly line?: number | null;
}

/** A batch as the API shows it; times are epoch seconds. */
export interface Batch {
  readonly id: string;
  readonly object: 'batch';
  readonly endpoint: string;
  readonly status: BatchStatus;
  readonly errors: { readonly object: 'list'; readonly data: readonly BatchError[] } | null;
  readonly input_file_id: string | null;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
  readonly completion_window: string;
  readonly created_at: number;
  readonly in_progress_at: number | null;
  readonly expires_at: number;
  readonly finalizing_at: number | null;
  readonly completed_at: number | null;
  readonly failed_at: number | null;
  readonly expired_at: number | null;
  readonly cancelling_at: number | null;
  readonly cancelled_at: number | null;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly model: string;
  readonly version: string;
  readonly format: BatchFormat;
  readonly output_format: BatchFormat;
  readonly input_url: string | null;
  readonly priority: number;
  readonly max_error_rate: number;
  readonly run: number;
  /** Share of the input that has been scored, 0 to 1. */
  readonly progress: number;
  /** Rows per second of late. */
  readonly rate: number | null;
  /** Seconds it will take yet. */
  readonly eta: number | null;
  /** Epoch ms at which it was accepted (`created`) and entered each state, of its last run. */
  readonly timestamps_ms: Readonly<Record<string, number>>;
  /** Its trace, where one is recorded. */
  readonly trace_id: string | null;
}

/** How a table is scored; `POST /v1/batches` documents each field. */
export interface TableRequest {
  readonly model: string;
  readonly version?: string;
  readonly format?: BatchFormat;
  /** Columns of each input: a name, a pattern such as `p*`, a list, or a value for all rows. Default: found by name. */
  readonly inputs?: Readonly<Record<string, string | readonly string[] | { readonly value: unknown }>>;
  readonly outputs?: readonly {
    readonly from?: string;
    readonly name?: string;
    readonly transform?: 'none' | 'argmax' | 'softmax' | 'top_k';
    readonly k?: number;
  }[];
  readonly pass_through?: readonly string[];
  readonly output_format?: BatchFormat;
  readonly csv?: { readonly delimiter?: string; readonly header?: boolean };
  readonly allow_non_finite?: boolean;
  readonly max_error_rate?: number;
  readonly priority?: number;
  readonly completion_window?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly webhook?: { readonly url: string; readonly secret: string };
}

/** A request for a batch: a table, or OpenAI's request lines; the dataset is an uploaded file or a place that the operator allows. */
export type BatchRequest = (
  TableRequest | (Omit<TableRequest, 'model' | 'version' | 'format'> & { readonly endpoint: string })
) &
  ({ readonly input_file_id: string } | { readonly input_url: string });

/** A row that failed: as its table's error file has it. */
export interface RowError {
  /** From 1. */
  readonly row: number;
  readonly error: { readonly code: string; readonly message: string; readonly param: string | null };
}

const ENDED: readonly BatchStatus[] = ['completed', 'failed', 'expired', 'cancelled'];

/** Whether a batch has ended. */
export function hasEnded({ status }: Pick<Batch, 'status'>): boolean {
  return ENDED.includes(status);
}
