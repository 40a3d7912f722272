import type { ScalarType } from '../scalar-type.ts';

/** For CPU kernels that ONNX Runtime lacks: the dtype in which a node is computed instead. */
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
  Tan: NO_DOUBLE,
  Asin: NO_DOUBLE,
  Acos: NO_DOUBLE,
  Atan: NO_DOUBLE,
  Sinh: NO_DOUBLE,
  Cosh: NO_DOUBLE,
  Asinh: NO_DOUBLE,
  Acosh: NO_DOUBLE,
  Atanh: NO_DOUBLE,
  Gelu: NO_DOUBLE,
  LeakyRelu: NO_DOUBLE,
  Elu: NO_DOUBLE,
  Selu: NO_DOUBLE,
  Mish: NO_DOUBLE,
  Softplus: NO_DOUBLE,
  Softsign: NO_DOUBLE,
  HardSigmoid: NO_DOUBLE,
  HardSwish: NO_DOUBLE,
  ThresholdedRelu: NO_DOUBLE,
  PRelu: NO_DOUBLE,
  Celu: { float16: 'float32', float64: 'float32' },
  Clip: { int16: 'int32' },
  // There is no Pow for narrow integers. In int64 more of their powers wrap around as in PyTorch.
  Pow: { uint8: 'int64', int8: 'int64', int16: 'int64' },
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

/** The dtype in which to compute a node, if ONNX Runtime has no kernel of this operator for `dtype`; otherwise undefined. */
export function adaptedType(opType: string, dtype: ScalarType): ScalarType | undefined {
  return ADAPTED[opType]?.[dtype];
}
