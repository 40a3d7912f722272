import { SconceError } from '@sconce/errors';
import type { BatchRunner, BatchableModel, RunCall, RunResult } from '@sconce/runtime';
import { concatRows, type Tensor } from '@sconce/tensor';

/** A model of one FP32 column `x` and one FP32 column `y`. A run has two rows. */
export const PLUS_ONE: BatchableModel = {
  name: 'plus-one',
  version: '1',
  file: { model: 'plus-one', version: '1', key: 'plus-one', path: '', sizeBytes: 1 },
  signature: {
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
  },
  axis: 'dynamic',
  rowInputs: new Set(['x']),
  maxBatchRows: 2,
};

/** Runs the model `PLUS_ONE` without threads: y = x + 1. A run that holds a negative number fails with `inference_failed`. */
export class PlusOneRunner implements BatchRunner {
  readonly threads = 1;
  readonly capacity = 2;
  /** The rows of each run, in the order in which runs began. */
  readonly runs: number[][] = [];
  #held: PromiseWithResolvers<void> | undefined;

  /** Runs that begin after this wait for `release`. */
  hold(): void {
    this.#held ??= Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  async run({ parts }: RunCall): Promise<RunResult> {
    const { data } = concatRows(parts.map(([x]) => x as Tensor));
    // Not `slice`: of a Buffer it would be a view.
    const rows = [...new Float32Array(new Uint8Array(data).buffer)];
    this.runs.push(rows);
    await this.#held?.promise;
    if (rows.some((value) => value < 0)) throw new SconceError('inference_failed', 'x is negative');
    const y = new Uint8Array(Float32Array.from(rows, (value) => value + 1).buffer);
    const nowMs = performance.timeOrigin + performance.now();
    return {
      outputs: [{ name: 'y', datatype: 'FP32', shape: [rows.length], data: y }],
      timing: { threadId: 1, runStartMs: nowMs, runEndMs: nowMs, loadMs: 0 },
    };
  }
}
