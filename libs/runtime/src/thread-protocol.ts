import type { BudgetLimit, EffectiveBudget } from '@sconce/contracts';
import type { SerializedError } from '@sconce/errors';
import type { Datatype, ModelSignature, TensorSpec } from '@sconce/tensor';

/** `threadId` of a run in the sacrificial process. */
export const NO_THREAD = 0;

/** The file that a thread loads. */
export interface ModelFile {
  /** The model and the version that the file belongs to. */
  readonly model: string;
  readonly version: string;
  /** Made by `modelFileKey`: two files with one key hold the same bytes. It is not parsed. */
  readonly key: string;
  readonly path: string;
  /** Counts against the thread's cache budget if `memoryBytes` is not known. */
  readonly sizeBytes: number;
  /** Measured memory of a session; counts against the thread's cache budget. */
  readonly memoryBytes?: number;
  /** ONNX Runtime's threads within one run. Default: the pool's number. */
  readonly intraOpThreads?: number;
  /** The limits that hold for a run, if the model's config or this instance sets them. */
  readonly budget?: EffectiveBudget;
  /** CPU time of a run in the sacrificial process, ms. Default: its limits are those of a run in a thread. */
  readonly aloneMs?: number | undefined;
  /** Never evicted to make room for other models. */
  readonly keepLoaded?: boolean;
  /** The digests of the model and of the files it refers to. Compared once per process, before the first load. */
  readonly digests?: readonly FileDigest[];
  /** A safetensors file with the check call: inputs `0.in.i` and outputs `0.out.j`. A thread repeats the call after loading. */
  readonly check?: string;
  /** Runs after loading, of repeated rows of the check call, so that the first request does not pay for first-time work in the model. */
  readonly warmup?: {
    readonly rowInputs: readonly string[];
    readonly runs: readonly { readonly rows: number; readonly count: number }[];
  };
}

/** The key of a version's file. `contentId` tells its bytes from others of the same version: a digest, or the id of a saved form. */
export function modelFileKey(file: {
  readonly model: string;
  readonly version: string;
  readonly contentId: string;
}): string {
  return `${file.model}/${file.version}@${file.contentId}`;
}

/** A file and its expected digest. */
export interface FileDigest {
  readonly path: string;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** A tensor in the task's shared buffer. */
export interface SharedTensor extends TensorSpec {
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** A wanted output. With `slot`, the thread writes it there and allocates nothing. */
export interface WantedOutput {
  readonly name: string;
  readonly slot?: SharedTensor;
}

/** Reads files and compares their digests before any thread maps them. */
export interface VerifyTask {
  readonly kind: 'verify';
  readonly files: readonly FileDigest[];
}

/** Opens a file and reports its signature without keeping it. */
export interface InspectTask {
  readonly kind: 'inspect';
  readonly file: ModelFile;
}

/** Loads a file for later runs. */
export interface LoadTask {
  readonly kind: 'load';
  readonly file: ModelFile;
}

/** One session call on inputs in shared memory. */
export interface RunTask {
  readonly kind: 'run';
  readonly file: ModelFile;
  readonly buffer: SharedArrayBuffer;
  readonly inputs: readonly SharedTensor[];
  readonly outputs: readonly WantedOutput[];
  /** Most bytes of all outputs together. The thread copies no outputs of more bytes. */
  readonly maxOutput?: BudgetLimit | undefined;
}

export type ThreadTask = InspectTask | LoadTask | RunTask | VerifyTask;

/** An output in a reply: in its slot (`data` is absent), or in memory that was transferred to the caller. */
export interface ThreadOutput {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data?: Uint8Array<ArrayBuffer>;
}

/** Times of a run in its thread: epoch milliseconds with fractions, comparable between processes of one machine. */
export interface ThreadTiming {
  readonly threadId: number;
  readonly runStartMs: number;
  readonly runEndMs: number;
  /** Time spent loading the model for this task; 0 when the thread held it. */
  readonly loadMs: number;
  /** What the thread's cache held after this run. */
  readonly held?: HeldModels;
}

/** The models one thread holds. */
export interface HeldModels {
  readonly models: number;
  /** Bytes that they count against the thread's budget. */
  readonly bytes: number;
  /** Models evicted to make room for others since the thread started. */
  readonly evictions: number;
}

export type ThreadReply =
  | { readonly ok: true; readonly kind: 'inspect'; readonly signature: ModelSignature }
  | { readonly ok: true; readonly kind: 'verify' }
  /** `loadMs` is 0 when the thread held the model. */
  | { readonly ok: true; readonly kind: 'load'; readonly loadMs: number }
  | {
      readonly ok: true;
      readonly kind: 'run';
      readonly outputs: readonly ThreadOutput[];
      readonly timing: ThreadTiming;
    }
  | { readonly ok: false; readonly error: SerializedError };

/** A message of the pool to every thread, outside of tasks. */
export interface ThreadNotice {
  /** The key of the file to unload. */
  readonly unload: string;
}

/** Set-up of a thread (`workerData`). */
export interface ThreadOptions {
  readonly noticeChannel: string;
  readonly intraOpThreads: number;
  readonly maxModels: number;
  readonly maxModelBytes: number;
  /** How `maxModelBytes` was computed, if no setting gives it. */
  readonly modelBudgetFrom?: string | undefined;
}
