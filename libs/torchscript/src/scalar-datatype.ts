import { SconceError } from '@sconce/errors';
import type { Datatype } from '@sconce/tensor';

import type { ScalarType } from './scalar-type.ts';

const DATATYPES: Readonly<Partial<Record<ScalarType, Datatype>>> = {
  uint8: 'UINT8',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  bool: 'BOOL',
  // Compiled models compute and pass bfloat16 as float32.
  bfloat16: 'FP32',
};

/** The datatype with which a compiled model takes and returns tensors of a PyTorch dtype. @throws SconceError `unsupported` if there is none. */
export function datatypeOf(dtype: ScalarType | 'str'): Datatype {
  if (dtype === 'str') return 'BYTES';
  const datatype = DATATYPES[dtype];
  if (datatype === undefined)
    throw new SconceError('unsupported', `tensors of dtype ${dtype} cannot be passed to a model`);
  return datatype;
}

/** PyTorch's name of a datatype. @throws SconceError `unsupported` if it has none. */
export function scalarTypeOf(datatype: Datatype): ScalarType {
  if (datatype === 'BF16') return 'bfloat16';
  const found = Object.entries(DATATYPES).find(([dtype, name]) => name === datatype && dtype !== 'bfloat16');
  if (found === undefined) throw new SconceError('unsupported', `PyTorch has no tensors of ${datatype}`);
  return found[0] as ScalarType;
}
