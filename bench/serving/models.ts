import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { casesOf, decodeSafetensors, type Tensor } from '@sconce/tensor';
import { writeLargeModel } from '../registration/large-model.ts';

/** A model to serve, and a call of it. */
export interface BenchModel {
  readonly name: string;
  /** The file that is pushed. */
  readonly path: string;
  /** The same model in ONNX, for the bare loop. */
  readonly onnx: string;
  /** One row of inputs, in order. */
  readonly row: readonly Tensor[];
}

/**
 * The models of `bench/peers/export_models.py … --served` (`NAME/{model.pt,model.onnx,cases.safetensors}`). Without that folder:
 * two perceptrons that this function creates.
 */
export function benchModels(exported: string | undefined, scratch: string): readonly BenchModel[] {
  if (exported === undefined) {
    return [perceptron(scratch, 'mlp', [64, 256, 256, 10]), perceptron(scratch, 'big_mlp', [1024, 4096, 4096, 1000])];
  }
  return readdirSync(exported)
    .map((name) => ({ name, folder: join(exported, name) }))
    .filter(({ folder }) => existsSync(join(folder, 'model.pt')))
    .map(({ name, folder }) => {
      const [call] = casesOf(decodeSafetensors(readFileSync(join(folder, 'cases.safetensors'))));
      if (call === undefined) throw new Error(`${folder} has no cases`);
      return { name, path: join(folder, 'model.pt'), onnx: join(folder, 'model.onnx'), row: call.inputs };
    });
}

function perceptron(scratch: string, name: string, widths: readonly number[]): BenchModel {
  mkdirSync(scratch, { recursive: true });
  const path = join(scratch, `${name}.onnx`);
  writeLargeModel(path, widths);
  const values = Float32Array.from({ length: widths[0] ?? 1 }, (_, i) => Math.sin(i));
  const x = { name: 'x', datatype: 'FP32' as const, shape: [1, values.length], data: new Uint8Array(values.buffer) };
  return { name, path, onnx: path, row: [x] };
}

/** The row repeated this many times. */
export function repeatRow(row: readonly Tensor[], rows: number): readonly Tensor[] {
  return row.map((tensor) => ({
    ...tensor,
    shape: [rows, ...tensor.shape.slice(1)],
    data: new Uint8Array(Buffer.concat(Array.from({ length: rows }, () => tensor.data))),
  }));
}
