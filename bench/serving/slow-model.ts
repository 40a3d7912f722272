import { join } from 'node:path';
import { GraphBuilder } from '@sconce/onnx';
import { writeModel } from '../registration/large-model.ts';
import type { BenchModel } from './models.ts';

const INPUTS = 64;
const WIDTH = 2048;

/**
 * A model whose run takes long, with a small input and small weights: it makes a large matrix of the input and multiplies it by itself,
 * `products` times; each product of two matrices of 2048 × 2048 takes some 100 to 200 ms. It takes one row, so that its registration need
 * not measure how long more rows take.
 */
export function slowModel(scratch: string, products: number): BenchModel {
  const builder = new GraphBuilder();
  builder.input({ name: 'x', datatype: 'FLOAT', shape: [1, INPUTS] });
  const values = new Float32Array(INPUTS * WIDTH);
  let state = 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = state / 2 ** 31 / WIDTH;
  }
  const dims = [INPUTS, WIDTH];
  builder.initializer({ name: 'weight', datatype: 'FLOAT', dims, data: new Uint8Array(values.buffer) });
  const row = builder.node('MatMul', ['x', 'weight']);
  let matrix = builder.node('MatMul', [builder.node('Transpose', [row]), row]);
  for (let n = 0; n < products; n++) matrix = builder.node('Tanh', [builder.node('MatMul', [matrix, matrix])]);
  builder.nodes('MatMul', [row, matrix], { names: [builder.uniqueName('y')] });
  builder.output({ name: 'y', datatype: 'FLOAT', shape: [1, WIDTH] });
  const path = join(scratch, 'slow.onnx');
  writeModel(path, builder);
  const data = new Uint8Array(Float32Array.from({ length: INPUTS }, (_, i) => Math.sin(i)).buffer);
  return { name: 'slow', path, onnx: path, row: [{ name: 'x', datatype: 'FP32', shape: [1, INPUTS], data }] };
}
