import type { ErrorCode } from '@sconce/errors';
import type { BatchAxis, Lane } from '@sconce/contracts';
import type { ModelSignature, Tensor, TensorSpec } from '@sconce/tensor';
import type { RunCall, RunResult } from '../inference-pool.ts';
import type { ModelFile, ThreadTiming } from '../thread-protocol.ts';

/** A model as the batcher sees it. */
export interface BatchableModel {
  readonly name: string;
  readonly version: string;
  readonly file: ModelFile;
  readonly signature: ModelSignature;
  /** `dynamic`: rows may share a run with any others; `locked`: so many of them only; `none`: each request runs alone, uncut. */
  readonly axis: BatchAxis;
  /** Inputs whose axis 0 is the rows; runs are shared only by requests that have the same in all others. None for `none`. */
  readonly rowInputs: ReadonlySet<string>;
  /** Most rows in one run; the very number of a `locked` model, whose runs are filled up by repeating the last row. */
  readonly maxBatchRows: number;
  /**
   * Rows of a run where throughput is all that counts, as when a dataset is scored: as many as make a run of some milliseconds, and
   * `maxBatchRows` where those take longer or its owner has bounded them. Default `maxBatchRows`.
   */
  readonly bulkRows?: number;
  /** Runs of the model at once; as many as there are threads unless said. */
  readonly maxConcurrentRuns?: number;
  /** How long runs took when the model was registered: what is known before the first run here. */
  readonly measured?: readonly MeasuredRun[];
  /** Longest that rows are held back to share a run while every thread is busy; without it as long as that lasts. */
  readonly maxQueueDelayMs?: number;
}

/** A measured run time. */
export interface MeasuredRun {
  readonly rows: number;
  readonly latencyMs: number;
}

/** Requests that say nothing have this one; 1 comes first. */
export const DEFAULT_PRIORITY = 128;

export interface BatchRequest {
  readonly model: BatchableModel;
  /** In the signature's order; axis 0 is the rows of those that carry rows. */
  readonly inputs: readonly Tensor[];
  /** Outputs wanted. */
  readonly outputs: readonly TensorSpec[];
  /** `online` runs before `batch` whenever both wait. */
  readonly lane: Lane;
  /**
   * Rows of each run, counted from the request's first: its runs are then shared with no other request and cut nowhere else, so that the
   * same request always gives the same bytes. Without it rows run as suits all that wait.
   */
  readonly runRows?: number;
  /** 1 (first) to 255; within a lane lower ones come first. */
  readonly priority?: number;
  /** Epoch ms after which the answer is of no use: what cannot be answered by then is refused unrun. */
  readonly deadlineMs?: number;
  /** Aborted when nobody wants the answer any more: the request is dropped unrun. */
  readonly signal?: AbortSignal;
  /** Given to the requests that share a run with this one, e.g. its traceparent. */
  readonly label?: string;
}

export interface BatchReply {
  readonly outputs: readonly Tensor[];
  /** Runs this request took part in; more than one where it was cut. */
  readonly runs: readonly RunRecord[];
}

/** One run as its request's trace tells it. */
export interface RunRecord extends ThreadTiming {
  /** Epoch ms when the batcher took the rows / had the answer. */
  readonly submittedAtMs: number;
  readonly answeredAtMs: number;
  /** Rows and requests that shared the run. */
  readonly batchRows: number;
  readonly batchRequests: number;
  /** Labels of the requests in the run, this one's included; at most 32. */
  readonly labels: readonly string[];
}

/** A run that has ended, for metrics and statistics. */
export interface FinishedRun {
  readonly model: BatchableModel;
  readonly rows: number;
  readonly requests: number;
  /** Labels of the requests in it; at most 32. */
  readonly labels: readonly string[];
  /** How it ended: with its timing, or with an error's code. */
  readonly outcome: { readonly timing: ThreadTiming } | { readonly error: ErrorCode };
}

/** What the batcher needs of the threads. */
export interface BatchRunner {
  /** Runs that can be under way at the same time. */
  readonly threads: number;
  /** Runs that may be handed over: beyond `threads`, each waits inside its thread for the one before. */
  readonly capacity: number;
  run(call: RunCall): Promise<RunResult>;
}
