import type { BudgetLimit } from '@sconce/contracts';
import type { SerializedError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import type { ModelFile } from '../thread-protocol.ts';

/** Set-up of the process: its first message. */
export interface SacrificialOptions {
  readonly kind: 'start';
  readonly intraOpThreads: number;
  readonly maxModels: number;
  readonly maxModelBytes: number;
}

/** One run. The process loads the model if it does not hold it. */
export interface SacrificialRun {
  readonly kind: 'run';
  readonly file: ModelFile;
  readonly inputs: readonly Tensor[];
  /** Names of the wanted outputs. */
  readonly outputs: readonly string[];
  /** Most bytes of all outputs. */
  readonly maxOutput?: BudgetLimit | undefined;
}

/** Begins the run of the model that was reported as loaded: its limits hold from now on. */
export interface SacrificialGo {
  readonly kind: 'go';
}

export type ToSacrificial = SacrificialOptions | SacrificialRun | SacrificialGo;

/** A message of the process. Each run is answered with `loaded`, then with `done`, or with `failed`. */
export type FromSacrificial =
  /** It takes runs. */
  | { readonly kind: 'ready' }
  /** It holds the model. `loadMs` is 0 when it held the model before. */
  | { readonly kind: 'loaded'; readonly loadMs: number }
  | {
      readonly kind: 'done';
      readonly outputs: readonly Tensor[];
      readonly runStartMs: number;
      readonly runEndMs: number;
      readonly loadMs: number;
    }
  | { readonly kind: 'failed'; readonly error: SerializedError };
