import { DATATYPE_BYTES, type Datatype } from '@sconce/tensor';

import type { OnnxDatatype } from './model.ts';

/** How `TensorProto.DataType` numbers the element types. */
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

/** Every element type of the model, in ONNX's order. */
export const ONNX_DATATYPES = Object.keys(ONNX_DATATYPE_NUMBERS) as readonly OnnxDatatype[];

const BY_NUMBER = new Map(ONNX_DATATYPES.map((datatype) => [ONNX_DATATYPE_NUMBERS[datatype], datatype]));
const BY_TENSOR_DATATYPE = new Map(ONNX_DATATYPES.map((datatype) => [TENSOR_DATATYPES[datatype], datatype]));

/** Bytes of one element; null for STRING, whose elements differ in length. */
export function onnxDatatypeBytes(datatype: Exclude<OnnxDatatype, 'STRING'>): number;
export function onnxDatatypeBytes(datatype: OnnxDatatype): number | null;
export function onnxDatatypeBytes(datatype: OnnxDatatype): number | null {
  return DATATYPE_BYTES[TENSOR_DATATYPES[datatype]];
}

/** The element type with this number; undefined for none and for those that Sconce does not know (complex, float8 …). */
export function onnxDatatypeOfNumber(number: number): OnnxDatatype | undefined {
  return BY_NUMBER.get(number);
}

/** What the rest of Sconce calls an element type of ONNX. */
export function toDatatype(datatype: OnnxDatatype): Datatype {
  return TENSOR_DATATYPES[datatype];
}

/** What ONNX calls an element type. */
export function toOnnxDatatype(datatype: Datatype): OnnxDatatype {
  // Both sides have the same fourteen types, which the specs hold to.
  return BY_TENSOR_DATATYPE.get(datatype) ?? 'FLOAT';
}
