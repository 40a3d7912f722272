// For specs of the batcher.

import { SconceError } from '@sconce/errors';
import { concatRows, padRows, type Tensor } from '@sconce/tensor';
import type { RunCall, RunResult } from '../../inference-pool.ts';
import type { BatchRequest, BatchableModel } from '../batch-request.ts';

export const POISON = -1;

export function tensor(values: readonly number[], name = 'x'): Tensor {
  return { name, datatype: 'FP32', shape: [values.length, 1], data: new Uint8Array(new Float32Array(values).buffer) };
}

export const valuesOf = ([output]: readonly Tensor[]): number[] =>
  output === undefined ? [] : [...new Float32Array(output.data.slice().buffer)];

export function model(over: Partial<BatchableModel> = {}): BatchableModel {
  return {
    name: 'm',
    version: '1',
    file: fileOf('m'),
    signature: {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
    },
    axis: 'dynamic',
    rowInputs: new Set(over.axis === 'none' ? [] : ['x']),
    maxBatchRows: 8,
    ...over,
  };
}

/** Adds 1 to every row, in the order the test lets runs end; a poisoned row fails its whole run. */
export class TestRunner {
  readonly threads: number;
  readonly capacity: number;
  readonly calls: RunCall[] = [];
  readonly #hold: boolean;
  readonly #waiting: (() => void)[] = [];

  constructor(options: { capacity: number; threads?: number; hold?: boolean }) {
    this.capacity = options.capacity;
    this.threads = options.threads ?? options.capacity;
    this.#hold = options.hold ?? false;
  }

  async run(call: RunCall): Promise<RunResult> {
    this.calls.push(call);
    if (this.#hold) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else await new Promise((resolve) => setImmediate(resolve));
    const given = concatRows(call.parts.map((part) => part[0] as Tensor));
    const x = call.rows === undefined ? given : padRows(given, call.rows.count);
    if (call.parts.some((part) => part[1]?.data.join() !== call.parts[0]?.[1]?.data.join())) throw new Error('mixed');
    const values = valuesOf([x]);
    if (values.includes(POISON)) throw new SconceError('inference_failed', 'poisoned');
    const now = performance.timeOrigin + performance.now();
    return {
      outputs: [
        tensor(
          values.map((value) => value + 1),
          'y',
        ),
      ],
      timing: { threadId: 1, runStartMs: now, runEndMs: now, loadMs: 0 },
    };
  }

  releaseOne(): void {
    this.#waiting.shift()?.();
  }
}

export function request(values: readonly number[], over: Partial<BatchRequest> = {}): BatchRequest {
  const own = over.model ?? model();
  return { model: own, inputs: [tensor(values)], outputs: own.signature.outputs, lane: 'online', ...over };
}

export const fileOf = (model: string): BatchableModel['file'] => ({
  model,
  version: '1',
  key: model,
  path: '',
  sizeBytes: 1,
});
export const rowsOf = (runner: TestRunner): number[] =>
  runner.calls.map(({ parts }) => parts.reduce((sum, part) => sum + (part[0]?.shape[0] ?? 0), 0));

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
