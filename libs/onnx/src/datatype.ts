import { DATATYPE_BYTES, type Datatype } from '@sconce/tensor';

import type { OnnxDatatype } from './model.ts';

/** Numbers of `TensorProto.DataType`. */
export const ONNX_DATATYPE_NUMBERS: Readonly<Record<OnnxDatatype, number>> = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  BFLOAT16: 16,
};

const TENSOR_DATATYPES: Readonly<Record<OnnxDatatype, Datatype>> = {
  FLOAT: 'FP32',
  UINT8: 'UINT8',
  INT8: 'INT8',
  UINT16: 'UINT16',
  INT16: 'INT16',
  INT32: 'INT32',
  INT64: 'INT64',
  STRING: 'BYTES',
  BOOL: 'BOOL',
  FLOAT16: 'FP16',
  DOUBLE: 'FP64',
  UINT32: 'UINT32',
  UINT64: 'UINT64',
  BFLOAT16: 'BF16',
};

/** Every element type that a model can hold, in ONNX's order. */
export const ONNX_DATATYPES = Object.keys(ONNX_DATATYPE_NUMBERS) as readonly OnnxDatatype[];

const BY_NUMBER = new Map(ONNX_DATATYPES.map((datatype) => [ONNX_DATATYPE_NUMBERS[datatype], datatype]));
const BY_TENSOR_DATATYPE = new Map(ONNX_DATATYPES.map((datatype) => [TENSOR_DATATYPES[datatype], datatype]));

/** Bytes of one element. Null for STRING, because its elements differ in length. */
export function onnxDatatypeBytes(datatype: Exclude<OnnxDatatype, 'STRING'>): number;
export function onnxDatatypeBytes(datatype: OnnxDatatype): number | null;
export function onnxDatatypeBytes(datatype: OnnxDatatype): number | null {
  return DATATYPE_BYTES[TENSOR_DATATYPES[datatype]];
}

/** The element type with this number. Undefined for types that Sconce does not support (complex, float8 …). */
export function onnxDatatypeOfNumber(number: number): OnnxDatatype | undefined {
  return BY_NUMBER.get(number);
}

/** Sconce's datatype for an element type of ONNX. */
export function toDatatype(datatype: OnnxDatatype): Datatype {
  return TENSOR_DATATYPES[datatype];
}

/** ONNX's element type for a datatype of Sconce. */
export function toOnnxDatatype(datatype: Datatype): OnnxDatatype {
  // Both sides have the same fourteen types (the specs check it), so the default is never used.
  return BY_TENSOR_DATATYPE.get(datatype) ?? 'FLOAT';
}
