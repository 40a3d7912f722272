import type { OnnxDatatype } from '@sconce/onnx';

import type { ScalarType } from '../scalar-type.ts';
import { modelError } from '../torchscript-error.ts';

const ONNX_TYPES: Readonly<Partial<Record<ScalarType, OnnxDatatype>>> = {
  uint8: 'UINT8',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FLOAT16',
  float32: 'FLOAT',
  float64: 'DOUBLE',
  bool: 'BOOL',
  // ONNX Runtime lacks nearly all CPU kernels for bfloat16, so it is computed as float32.
  bfloat16: 'FLOAT',
};

/** The ONNX type that holds a tensor of a PyTorch dtype. @throws SconceError `model_invalid` for complex and quantized types. */
export function onnxTypeOf(dtype: ScalarType): OnnxDatatype {
  const type = ONNX_TYPES[dtype];
  if (type !== undefined) return type;
  const what = dtype.startsWith('complex') ? 'complex numbers' : 'quantized tensors';
  throw modelError(
    'lower',
    `dtype ${dtype}: ${what} are not supported; rewrite the model with real floating-point tensors`,
  );
}

/** The integer type that holds the elements of a quantized dtype. Other dtypes stay as they are. */
export function codesTypeOf(dtype: ScalarType): ScalarType {
  if (dtype === 'qint8') return 'int8';
  if (dtype === 'quint8') return 'uint8';
  return dtype === 'qint32' ? 'int32' : dtype;
}

/** Whether a dtype is quantized. */
export function isQuantized(dtype: ScalarType): boolean {
  return codesTypeOf(dtype) !== dtype;
}

/** Whether arithmetic on the dtype is floating-point. */
export function isFloating(dtype: ScalarType): boolean {
  return dtype === 'float32' || dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16';
}

/** Whether the dtype is an integer type. bool is not one. */
export function isIntegral(dtype: ScalarType): boolean {
  return dtype === 'uint8' || dtype === 'int8' || dtype === 'int16' || dtype === 'int32' || dtype === 'int64';
}
