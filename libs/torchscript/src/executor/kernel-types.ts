import type { ScalarType } from '../scalar-type.ts';

/** ONNX Runtime's CPU kernels that are missing: in which dtype a node is computed instead of the one asked for. */
const NARROW_INTEGERS: Readonly<Partial<Record<ScalarType, ScalarType>>> = {
  uint8: 'int32',
  int8: 'int32',
  int16: 'int32',
};
const NO_DOUBLE: Readonly<Partial<Record<ScalarType, ScalarType>>> = { float64: 'float32' };

const ADAPTED: Readonly<Record<string, Readonly<Partial<Record<ScalarType, ScalarType>>>>> = {
  Add: NARROW_INTEGERS,
  Sub: NARROW_INTEGERS,
  Mul: NARROW_INTEGERS,
  Div: NARROW_INTEGERS,
  Neg: { int16: 'int32', uint8: 'int32' },
  Erf: NO_DOUBLE,
  Conv: NO_DOUBLE,
  ConvTranspose: NO_DOUBLE,
  AveragePool: NO_DOUBLE,
  InstanceNormalization: NO_DOUBLE,
  Resize: NO_DOUBLE,
  Col2Im: NO_DOUBLE,
  Pad: { int16: 'int32' },
  ReduceSum: NARROW_INTEGERS,
  ReduceProd: NARROW_INTEGERS,
  ReduceMax: { int16: 'int32' },
  ReduceMin: { int16: 'int32' },
  ArgMax: { bool: 'int32', int16: 'int32' },
  ArgMin: { bool: 'int32', int16: 'int32' },
  Max: { int16: 'int32' },
  Min: { int16: 'int32' },
  CumSum: NARROW_INTEGERS,
  Trilu: NARROW_INTEGERS,
};

/** The dtype to compute a node of this operator in where ONNX Runtime has no kernel for `dtype`; undefined where it has. */
export function adaptedType(opType: string, dtype: ScalarType): ScalarType | undefined {
  return ADAPTED[opType]?.[dtype];
}
