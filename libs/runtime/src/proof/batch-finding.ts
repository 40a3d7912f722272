import type { BatchAxis } from '@sconce/contracts';
import type { ModelSignature, Tensor } from '@sconce/tensor';
import type { ProbeExamples } from './probe-inputs.ts';

/** A model that the proof can run. */
export interface ProvableModel {
  /** As the runtime gives it: -1 is a free axis. */
  readonly signature: ModelSignature;
  /** One session call; all outputs in the signature's order. @throws SconceError `inference_failed`. */
  run(inputs: readonly Tensor[]): Promise<readonly Tensor[]>;
}

/** A number of rows that the model's code may require. */
export interface FixedRows {
  readonly size: number;
  /** The line of the model's code that requires it. */
  readonly source?: string | undefined;
}

/** Facts about the model that are known before it runs. */
export interface BatchHints {
  readonly examples?: ProbeExamples;
  /** Sizes that its graph or code may require of axis 0, the likeliest first. */
  readonly fixedRows?: readonly FixedRows[];
  /** Sets of inputs that may carry the rows, the likeliest first. Without it: all inputs whose axis 0 is free. */
  readonly rowInputs?: readonly (readonly string[])[];
  /** Why rows may influence each other in a way that probes may not show. */
  readonly mixing?: string | undefined;
}

/** The result of the proof. `evidence` is for people. */
export interface BatchFinding {
  readonly axis: BatchAxis;
  /** Rows of a run, if `axis` is `locked`. */
  readonly size?: number;
  readonly evidence: string;
  /** Inputs that carry rows. Empty if `axis` is `none`. */
  readonly inputs: readonly string[];
  /** Numbers of rows that were run together. */
  readonly sizes: readonly number[];
  /** Largest difference between a row's results in two row groups, relative to the output's magnitude. */
  readonly maxDeviation: number;
  /** The line of the model's code that fixes the size. */
  readonly source?: string | undefined;
  /** Inputs on which the model runs: `size` rows of a locked model, else a few rows. */
  readonly call: readonly Tensor[];
}

/** The finding that is always safe: rows do not share a run. */
export function noBatchAxis(evidence: string, call: readonly Tensor[]): BatchFinding {
  return { axis: 'none', evidence, inputs: [], sizes: [], maxDeviation: 0, call };
}
