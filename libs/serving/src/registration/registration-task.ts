import type { ModelBatch, ModelConfig, ModelParity, ModelPerformance, RunMemory } from '@sconce/contracts';
import type { SerializedError } from '@sconce/errors';
import type { ModelSignature } from '@sconce/tensor';

/** A task of a registration process. Paths are on this machine. */
export type RegistrationTask =
  | {
      readonly kind: 'register';
      readonly artifact: { readonly path: string; readonly sha256: string; readonly format: 'onnx' | 'torchscript' };
      readonly config: ModelConfig;
      /** Calls with the outputs they must have. */
      readonly casesPath?: string | undefined;
      /** An empty folder for the files that the task makes. */
      readonly folder: string;
    }
  | {
      readonly kind: 'optimise';
      /** The compiled model, as sessions load it. */
      readonly modelPath: string;
      readonly checkPath?: string | undefined;
      /** What is saved: the weights in this processor's layout, the weights as they are, or nothing. */
      readonly save: 'prepacked' | 'plain' | 'nothing';
      /** The call for measurements. Without it nothing is measured. */
      readonly measure?: { readonly call: Uint8Array; readonly batch: ModelBatch } | undefined;
      /** An empty folder for the files that the task makes. */
      readonly folder: string;
    };

/** A file in the task's folder. */
export interface MadeFile {
  readonly name: string;
  readonly sha256: string;
}

/** The model was compiled. */
export interface Compiled {
  readonly kind: 'compiled';
  readonly signature: ModelSignature;
  readonly warnings: readonly string[];
  /** A loop ends when values of the inputs say so. */
  readonly unbounded: boolean;
  /** The graph of a TorchScript artifact. It refers to the artifact by its file name. */
  readonly graph?: MadeFile | undefined;
}

/** The model was proved. */
export interface Proved {
  readonly kind: 'proved';
  /** With a free batch axis if any number of rows is served. */
  readonly signature: ModelSignature;
  readonly batch: ModelBatch;
  readonly parity?: ModelParity | undefined;
  readonly check?: MadeFile | undefined;
  /** Inputs on which the model runs, as a tensor frame. */
  readonly call: Uint8Array;
  readonly warnings: readonly string[];
}

/** The model was saved and measured. */
export interface Optimised {
  readonly kind: 'optimised';
  /** The kind of machine, and the files. */
  readonly form?:
    { readonly cpuClass: string; readonly runtime: string; readonly files: readonly MadeFile[] } | undefined;
  readonly performance?: ModelPerformance | undefined;
}

/** The memory of a run was measured. The model is registered without it, too: a process that dies while it measures has done its task. */
export interface RunMeasured {
  readonly kind: 'run_measured';
  readonly runMemory: RunMemory;
}

/** A message of a registration process. `failed` and `proved` are last messages; after `optimised` may come `run_measured`. */
export type RegistrationMessage =
  Compiled | Proved | Optimised | RunMeasured | { readonly kind: 'failed'; readonly error: SerializedError };
