import type { ErrorCode } from '@sconce/errors';
import type { BatchAxis, BudgetLimit, Lane, RunMemoryLimit } from '@sconce/contracts';
import type { DecodeBudget, ModelSignature, Tensor, TensorSpec } from '@sconce/tensor';
import type { RunCall, RunResult } from '../inference-pool.ts';
import type { ModelFile, ThreadTiming } from '../thread-protocol.ts';

/** A model as the batcher sees it. */
export interface BatchableModel {
  readonly name: string;
  readonly version: string;
  readonly file: ModelFile;
  readonly signature: ModelSignature;
  /** `dynamic`: any number of rows may share a run. `locked`: a run has exactly `maxBatchRows` rows. `none`: each request runs alone, uncut. */
  readonly axis: BatchAxis;
  /** Inputs whose axis 0 is the rows. Requests share a run only if all their other inputs are equal. Empty for `none`. */
  readonly rowInputs: ReadonlySet<string>;
  /** Most rows in one run. For `locked`: the exact number; the last row is repeated to reach it. */
  readonly maxBatchRows: number;
  /**
   * Rows of a run when only throughput counts, as for a dataset: enough for a run of some milliseconds, or `maxBatchRows` if these take
   * longer or the model's config limits them. Default `maxBatchRows`.
   */
  readonly bulkRows?: number;
  /** Concurrent runs of the model. Default: the number of threads. */
  readonly maxConcurrentRuns?: number;
  /** How long runs took when the model was registered: the first estimate. */
  readonly measured?: readonly MeasuredRun[];
  /** A loop ends when values of the inputs say so: sizes do not bound the time of a run. Default: false. */
  readonly unbounded?: boolean | undefined;
  /** What its runs need of memory, and what they may need. Without it nothing is checked. */
  readonly memory?: RunMemoryLimit | undefined;
  /** Longest time that rows wait for others to share a run while every thread is busy. Without it they wait as long as that lasts. */
  readonly maxQueueDelayMs?: number;
  /** The most that the inputs of a request line may have. */
  readonly inputBudget?: DecodeBudget | undefined;
  /** Most bytes that the outputs of a request, and the outputs of a run, may have together. */
  readonly maxOutput?: BudgetLimit | undefined;
  /** Bytes of one row of all outputs, as far as the signature says them (`outputRowBytes`). Default 0: not known. */
  readonly outputRowBytes?: number;
}

/** A measured run time. */
export interface MeasuredRun {
  readonly rows: number;
  readonly latencyMs: number;
}

/** The priority of requests that do not set one. 1 comes first. */
export const DEFAULT_PRIORITY = 128;

export interface BatchRequest {
  readonly model: BatchableModel;
  /** In the signature's order. Axis 0 of inputs that carry rows is the rows. */
  readonly inputs: readonly Tensor[];
  /** The wanted outputs. */
  readonly outputs: readonly TensorSpec[];
  /** `online` runs before `batch` whenever both wait. */
  readonly lane: Lane;
  /**
   * Rows of each run, counted from the request's first row. The runs are not shared with other requests and the request is cut nowhere
   * else, so the same request always gives the same bytes. Without it the batcher chooses the runs.
   */
  readonly runRows?: number;
  /** 1 (first) to 255, within the lane. */
  readonly priority?: number;
  /** Owner of the caller's key. Owners take turns, row by row. */
  readonly owner?: string;
  /** Epoch ms after which the answer is of no use. A request that cannot be answered by then is refused and not run. */
  readonly deadlineMs?: number;
  /** Aborted when the request is cancelled: it is then dropped and not run. An `AbortSignal`, or an object that costs less. */
  readonly signal?: { readonly aborted: boolean };
  /** A worker ended while it had this request: `SuspectQueue` runs it alone. */
  readonly suspect?: boolean;
  /** Passed to the requests that share a run with this one, e.g. its traceparent. */
  readonly label?: string;
}

export interface BatchReply {
  readonly outputs: readonly Tensor[];
  /** Runs of this request; more than one if it was cut. */
  readonly runs: readonly RunRecord[];
}

/** One run, as a request's trace shows it. */
export interface RunRecord extends ThreadTiming {
  /** Epoch ms at which the batcher took the rows and at which it had the answer. */
  readonly submittedAtMs: number;
  readonly answeredAtMs: number;
  /** Rows and requests that shared the run. */
  readonly batchRows: number;
  readonly batchRequests: number;
  /** Labels of the requests in the run, with this one's; at most 32. */
  readonly labels: readonly string[];
}

/** A run that has ended, for metrics and statistics. */
export interface FinishedRun {
  readonly model: BatchableModel;
  readonly rows: number;
  readonly requests: number;
  /** Labels of the requests in the run; at most 32. */
  readonly labels: readonly string[];
  /** Its timing, or the code of its error. */
  readonly outcome: { readonly timing: ThreadTiming } | { readonly error: ErrorCode };
}

/** The port to the threads. */
export interface BatchRunner {
  /** Runs that can execute at the same time. */
  readonly threads: number;
  /** Runs that may be in flight. Beyond `threads`, each waits inside its thread for the run before it. */
  readonly capacity: number;
  run(call: RunCall): Promise<RunResult>;
}
