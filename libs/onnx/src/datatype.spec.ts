import { DATATYPES, DATATYPE_BYTES } from '@sconce/tensor';
import { describe, expect, it } from 'vitest';

import {
  ONNX_DATATYPES,
  ONNX_DATATYPE_NUMBERS,
  onnxDatatypeBytes,
  onnxDatatypeOfNumber,
  toDatatype,
  toOnnxDatatype,
} from './index.ts';

describe('datatypes', () => {
  it('correspond one to one to those of @sconce/tensor', () => {
    expect(ONNX_DATATYPES.map(toDatatype).toSorted()).toEqual([...DATATYPES].sort());
    for (const datatype of DATATYPES) expect(toDatatype(toOnnxDatatype(datatype))).toBe(datatype);
    for (const datatype of ONNX_DATATYPES) {
      expect(toOnnxDatatype(toDatatype(datatype))).toBe(datatype);
      expect(onnxDatatypeBytes(datatype)).toBe(DATATYPE_BYTES[toDatatype(datatype)]);
    }
  });

  it.each([
    ['FLOAT', 4, 'FP32'],
    ['BFLOAT16', 2, 'BF16'],
    ['BOOL', 1, 'BOOL'],
    ['STRING', null, 'BYTES'],
  ] as const)('%s takes %s bytes and is %s', (datatype, bytes, other) => {
    expect(onnxDatatypeBytes(datatype)).toBe(bytes);
    expect(toDatatype(datatype)).toBe(other);
  });

  it('are found by their numbers, and other numbers give undefined', () => {
    for (const datatype of ONNX_DATATYPES) {
      expect(onnxDatatypeOfNumber(ONNX_DATATYPE_NUMBERS[datatype])).toBe(datatype);
    }
    for (const number of [0, 14, 15, 17, 22, -1, NaN]) expect(onnxDatatypeOfNumber(number)).toBeUndefined();
  });
});
