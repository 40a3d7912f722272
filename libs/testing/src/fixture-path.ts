import { fileURLToPath } from 'node:url';

/** Small ONNX models for tests. `fixtures/make.py` says what each model computes. */
export type FixtureModel =
  | 'affine'
  | 'simple'
  | 'row-mixing'
  | 'lookup'
  | 'every-type'
  | 'nonzero'
  | 'slow'
  | 'below'
  | 'expand'
  | 'wide'
  | 'recurrent'
  | 'quadratic'
  | 'masked'
  | 'positive';

/** Path of a fixture model's file. */
export function fixturePath(model: FixtureModel): string {
  return fileURLToPath(new URL(`../fixtures/${model}.onnx`, import.meta.url));
}
