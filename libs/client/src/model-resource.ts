import type { ModelBatch } from '@sconce/contracts';
import type { ModelSignature } from '@sconce/tensor';

/** Where a version stands: the last two are final. */
export type ModelStatus = 'receiving' | 'compiling' | 'proving' | 'optimising' | 'ready' | 'failed';

/** One output against the cases' own, over all calls. Errors are null where no number says them. */
export interface ParityOutput {
  readonly name: string;
  readonly ok: boolean;
  /** Elements compared, and those beyond the tolerance. */
  readonly elements: number;
  readonly off: number;
  readonly max_abs: number | null;
  readonly max_rel: number | null;
  /** max_abs over the spread of the expected output. */
  readonly spread_rel: number | null;
  /** Why it is off, where that is no matter of numbers. */
  readonly reason?: string;
}

/** The model's outputs against PyTorch's own, as its cases give them. */
export interface ModelParity {
  readonly ok: boolean;
  readonly calls: number;
  readonly rtol: number;
  readonly atol: number;
  readonly outputs: readonly ParityOutput[];
}

/** Speed and memory as registration measured them: one thread, one session. */
export interface ModelPerformance {
  readonly load_ms: number;
  readonly memory_bytes: number;
  /** Median time of one run of so many rows. */
  readonly batch_sizes: readonly { readonly rows: number; readonly latency_ms: number; readonly rows_per_s: number }[];
  readonly best_rows: number;
  /** One run on all cores, and whether the model is run so: where it gives more than runs side by side. */
  readonly spread?: {
    readonly threads: number;
    readonly rows: number;
    readonly latency_ms: number;
    readonly rows_per_s: number;
    readonly chosen: boolean;
  };
}

/** One version of a model, as the API shows it. */
export interface ModelVersion {
  readonly name: string;
  readonly version: string;
  readonly status: ModelStatus;
  /** Why it is not run any more: it made workers hang. Loading the model lets it run again. */
  readonly quarantined?: string;
  readonly error?: { readonly code: string; readonly message: string };
  readonly platform: string;
  readonly signature?: ModelSignature;
  readonly batch?: ModelBatch;
  /** What its owner said about it. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** What may differ from PyTorch. */
  readonly warnings?: readonly string[];
  readonly parity?: ModelParity;
  /** The form that was saved for workers, and what it was made for. */
  readonly optimised?: { readonly cpu_class: string; readonly runtime: string; readonly size_bytes: number };
  readonly performance?: ModelPerformance;
  /** Of the artifact. */
  readonly size_bytes: number;
  readonly created_at: string;
  readonly updated_at: string;
}
