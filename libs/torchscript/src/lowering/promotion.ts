import { SymBool, SymFloat, TensorValue, type Scalar } from '../symbolic/values.ts';
import type { LowerContext } from '../symbolic/lower-context.ts';
import { isFloating } from '../symbolic/onnx-types.ts';
import type { ScalarType } from '../scalar-type.ts';

/** An operand of an elementwise operator. */
export type Operand = TensorValue | Scalar;

const ORDER: readonly ScalarType[] = [
  'bool',
  'uint8',
  'int8',
  'int16',
  'int32',
  'int64',
  'float16',
  'bfloat16',
  'float32',
  'float64',
];

/** The dtype in which PyTorch computes two tensors of equal priority, as `torch.promote_types`. */
export function promoteTypes(a: ScalarType, b: ScalarType): ScalarType {
  if (a === b) return a;
  const pair = new Set([a, b]);
  if (pair.has('uint8') && (pair.has('int8') || pair.has('int16'))) return 'int16';
  if (pair.has('float16') && pair.has('bfloat16')) return 'float32';
  return ORDER.indexOf(a) > ORDER.indexOf(b) ? a : b;
}

/** 0 for bool, 1 for integers, 2 for floats. */
function category(dtype: ScalarType): number {
  return dtype === 'bool' ? 0 : isFloating(dtype) ? 2 : 1;
}

/** The dtype of a Python number as an operand. A number only raises the category of the other operand. */
export function scalarType(value: Scalar): ScalarType {
  if (typeof value === 'boolean' || value instanceof SymBool) return 'bool';
  return typeof value === 'number' || value instanceof SymFloat ? 'float32' : 'int64';
}

/**
 * The dtype in which PyTorch computes an elementwise operator (`torch.result_type`). Tensors with dimensions decide. A 0-d tensor
 * counts only if its category is higher, and a Python number only if its category is higher than both.
 */
export function resultType(operands: readonly Operand[]): ScalarType {
  const standings = [
    operands.filter((o): o is TensorValue => o instanceof TensorValue && o.rank > 0).map((o) => o.dtype),
    operands.filter((o): o is TensorValue => o instanceof TensorValue && o.rank === 0).map((o) => o.dtype),
    operands.filter((o): o is Scalar => !(o instanceof TensorValue)).map(scalarType),
  ];
  let result: ScalarType | undefined;
  for (const dtypes of standings) {
    const [first] = dtypes;
    if (first === undefined) continue;
    const promoted = dtypes.reduce(promoteTypes);
    if (result === undefined || category(promoted) > category(result)) result = promoted;
  }
  return result ?? 'float32';
}

/** An operand as a tensor of `dtype`. A number becomes a 0-d tensor. */
export function operandAs(context: LowerContext, operand: Operand, dtype: ScalarType): TensorValue {
  return operand instanceof TensorValue ? context.cast(operand, dtype) : context.scalar(operand, dtype);
}

/** The result dtype of an operator that always returns floats. Integers become float32, PyTorch's default. */
export function floatType(dtype: ScalarType): ScalarType {
  return isFloating(dtype) ? dtype : 'float32';
}

/** The tensor in a floating dtype. */
export function asFloat(context: LowerContext, tensor: TensorValue): TensorValue {
  return context.cast(tensor, floatType(tensor.dtype));
}
