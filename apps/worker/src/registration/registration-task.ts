import type { ModelBatch, ModelConfig, ModelParity, ModelPerformance } from '@sconce/contracts';
import type { SerializedError } from '@sconce/errors';
import type { ModelSignature } from '@sconce/tensor';

/** What a registration process is asked to do. Paths are of this machine. */
export type RegistrationTask =
  | {
      readonly kind: 'register';
      readonly artifact: { readonly path: string; readonly sha256: string; readonly format: 'onnx' | 'torchscript' };
      readonly config: ModelConfig;
      /** Calls with the outputs they must have. */
      readonly casesPath?: string | undefined;
      /** An empty folder for what it makes. */
      readonly folder: string;
    }
  | {
      readonly kind: 'optimise';
      /** The compiled model, as sessions load it. */
      readonly modelPath: string;
      readonly checkPath?: string | undefined;
      /** What is saved: with the weights laid out for this processor, as they are, or nothing. */
      readonly save: 'prepacked' | 'plain' | 'nothing';
      /** What to measure with; nothing is measured without. */
      readonly measure?: { readonly call: Uint8Array; readonly batch: ModelBatch } | undefined;
      /** An empty folder for what it makes. */
      readonly folder: string;
    };

/** A file in the task's folder. */
export interface MadeFile {
  readonly name: string;
  readonly sha256: string;
}

/** The model in ONNX, and what goes in and comes out. */
export interface Compiled {
  readonly kind: 'compiled';
  readonly signature: ModelSignature;
  readonly warnings: readonly string[];
  /** A TorchScript artifact's graph; it refers to the artifact by its file name. */
  readonly graph?: MadeFile;
}

/** What proof by running found. */
export interface Proved {
  readonly kind: 'proved';
  /** With the batch axis free where any number of rows is served. */
  readonly signature: ModelSignature;
  readonly batch: ModelBatch;
  readonly parity?: ModelParity;
  readonly check?: MadeFile;
  /** Inputs on which the model runs, as a tensor frame. */
  readonly call: Uint8Array;
  readonly warnings: readonly string[];
}

/** The saved form and what was measured with it. */
export interface Optimised {
  readonly kind: 'optimised';
  /** For which kind of machine, and its files. */
  readonly form?: { readonly cpuClass: string; readonly runtime: string; readonly files: readonly MadeFile[] };
  readonly performance?: ModelPerformance;
}

/** What a registration process says; `failed`, `proved` and `optimised` are its last words. */
export type RegistrationMessage =
  Compiled | Proved | Optimised | { readonly kind: 'failed'; readonly error: SerializedError };
