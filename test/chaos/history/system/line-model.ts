import { readFileSync } from 'node:fs';
import { decodeModel, encodeModel } from '@sconce/onnx';
import { fixturePath } from '@sconce/testing/without-vitest';
import { lineOf } from '../models.ts';

/** The ONNX file of a version of `line`: the fixture `affine` with other constants. */
export function lineModel(version: number): Uint8Array<ArrayBuffer> {
  const affine = decodeModel(readFileSync(fixturePath('affine')));
  const { scale, shift } = lineOf(version);
  const values = new Map([
    ['two', scale],
    ['one', shift],
  ]);
  const initializers = affine.graph.initializers.map((tensor) => {
    const value = values.get(tensor.name);
    return value === undefined ? tensor : { ...tensor, data: new Uint8Array(new Float32Array([value]).buffer) };
  });
  return new Uint8Array(encodeModel({ ...affine, graph: { ...affine.graph, initializers } }));
}
