import { describe, expect, it } from 'vitest';
import { ERROR_POLICY } from '@sconce/errors';
import { runError } from './run-error.ts';

// Messages of ONNX Runtime 1.30, as `ortReason` leaves them.
const INPUT_FAULTS = [
  'Gather "": indices element out of data bounds, idx=99 must be within the inclusive range [-10,9]',
  'GatherElements "": GatherElements op: Out of range value in index tensor',
  'GatherND "": invalid index found, index = 7',
  'ScatterND "": invalid indice found, indice = 12',
  'Reshape "view": The input tensor cannot be reshaped to the requested shape. Input shape:{3}, requested shape:{2,2}',
  'Expand "": invalid expand shape',
  'Where "": condition operand cannot broadcast on dim 0 Condition Shape: {2}, X Shape: {3}, Y Shape: {1}',
  'Add "": axis == 1 || axis == largest was false. Attempting to broadcast an axis by a dimension other than 1. 3 by 2',
  'MatMul "": left operand cannot broadcast on dim 0 LeftShape: {3,4}, RightShape: {2,5}',
  'MatMul "": MatMul dimension mismatch',
  'Concat "": Non concat axis dimensions must match: Axis 1 has mismatched dimensions of 3 and 2',
  'Got invalid dimensions for input: x for the following indices index: 1 Got: 5 Expected: 4 Please fix either the inputs/outputs or the model.',
  'Invalid rank for input: x Got: 1 Expected: 2 Please fix either the inputs/outputs or the model.',
  'TopK "": k argument [5] should not be greater than specified axis dim value [3]',
  'Range "": delta in Range operator can not be zero!',
  'Loop "": Gather "": indices element out of data bounds, idx=3 must be within the inclusive range [-2,1]',
];
const NO_MEMORY = [
  'FusedMatMul "": Failed to allocate memory for requested buffer of size 3600000000',
  'Concat "": std::bad_alloc',
];
const OTHERS = [
  'NOT_IMPLEMENTED : Could not find an implementation for Foo(1) node with name',
  'Failed to load library libfoo.so',
  'Exiting due to terminate flag being set to true.',
  'the kernel failed',
];

describe('the error of a run', () => {
  it.each(INPUT_FAULTS)('is a fault of the input: %s', (reason) => {
    const error = runError(reason);
    expect(error).toMatchObject({ code: 'invalid_input', message: `The model failed on this input: ${reason}` });
    expect(ERROR_POLICY[error.code]).toMatchObject({ http: 422, retry: 'never', logLevel: 'debug' });
  });

  it.each(NO_MEMORY)('is that memory was refused: %s', (reason) => {
    expect(runError(reason)).toMatchObject({
      code: 'out_of_memory',
      message: expect.stringContaining(reason) as string,
    });
  });

  it('says how many bytes were refused', () => {
    expect(runError(NO_MEMORY[0] ?? '').details).toEqual({ requestedBytes: 3_600_000_000 });
  });

  it.each(OTHERS)('stays a failure of the model or of this process: %s', (reason) => {
    expect(runError(reason).code).toBe('inference_failed');
  });
});
