import type { SerializedError } from '@sconce/errors';
import type { Datatype, ModelSignature, TensorSpec } from '@sconce/tensor';

/** The file that a thread loads. */
export interface ModelFile {
  /** The model and the version that the file belongs to. */
  readonly model: string;
  readonly version: string;
  /** Made by `modelFileKey`: two files with one key hold the same bytes. Nobody reads anything out of it. */
  readonly key: string;
  readonly path: string;
  /** Counts against the thread's cache budget where `memoryBytes` is not known. */
  readonly sizeBytes: number;
  /** What a session was measured to keep in memory; counts against the thread's cache budget. */
  readonly memoryBytes?: number;
  /** ONNX Runtime's threads within one run; the pool's own number unless said. */
  readonly intraOpThreads?: number;
  /** Never let go to make room for other models. */
  readonly keepLoaded?: boolean;
  /** What the model and the files it names must hold; compared once per process before the first load. */
  readonly digests?: readonly FileDigest[];
  /** A call (`0.in.i`) with its outputs (`0.out.j`) in a safetensors file, which a thread repeats after loading. */
  readonly check?: string;
  /** Runs after loading, of the check call's rows again and again: ways through the model that the first request need not pay for. */
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

/** A file and what has to be in it. */
export interface FileDigest {
  readonly path: string;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** A tensor that lies in the task's shared buffer. */
export interface SharedTensor extends TensorSpec {
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** An output the caller wants; with `slot`, the thread writes it there instead of allocating. */
export interface WantedOutput {
  readonly name: string;
  readonly slot?: SharedTensor;
}

/** Reads files and compares their digests, before anything maps them. */
export interface VerifyTask {
  readonly kind: 'verify';
  readonly files: readonly FileDigest[];
}

/** Opens a file and reports its signature without keeping it. */
export interface InspectTask {
  readonly kind: 'inspect';
  readonly file: ModelFile;
}

/** Loads a file, to be run later. */
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
}

export type ThreadTask = InspectTask | LoadTask | RunTask | VerifyTask;

/** An output as the thread reports it: in its slot (`data` absent) or in memory handed over to the caller. */
export interface ThreadOutput {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data?: Uint8Array<ArrayBuffer>;
}

/** When the thread did what; epoch milliseconds with fractions, comparable across processes of one machine. */
export interface ThreadTiming {
  readonly threadId: number;
  readonly runStartMs: number;
  readonly runEndMs: number;
  /** Time spent loading the model for this task; 0 when the thread held it. */
  readonly loadMs: number;
  /** What the thread's cache holds, as of this run. */
  readonly held?: HeldModels;
}

/** The models one thread holds. */
export interface HeldModels {
  readonly models: number;
  /** What they count against the thread's budget. */
  readonly bytes: number;
  /** Models let go to make room for others since the thread started. */
  readonly evictions: number;
}

export type ThreadReply =
  | { readonly ok: true; readonly kind: 'inspect'; readonly signature: ModelSignature }
  | { readonly ok: true; readonly kind: 'verify' | 'load' }
  | {
      readonly ok: true;
      readonly kind: 'run';
      readonly outputs: readonly ThreadOutput[];
      readonly timing: ThreadTiming;
    }
  | { readonly ok: false; readonly error: SerializedError };

/** What the pool tells every thread outside of tasks. */
export interface ThreadNotice {
  readonly unload: string;
}

/** Set-up of a thread (`workerData`). */
export interface ThreadOptions {
  readonly noticeChannel: string;
  readonly intraOpThreads: number;
  readonly maxModels: number;
  readonly maxModelBytes: number;
  /** How `maxModelBytes` came about, where nobody chose it. */
  readonly modelBudgetFrom?: string | undefined;
}
