import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import { SymInt } from '../../../symbolic/sym-int.ts';
import type { Scalar, TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { sameShape } from '../../dims.ts';
import { floatType, operandAs, resultType, type Operand } from '../../promotion.ts';

/**
 * The second operand of a sum, difference, product or quotient. Traced code has Python floats as float64 constants of
 * rank 0, and PyTorch treats them as numbers in these operators: with integers the result is float32.
 */
export function withPythonNumber(operand: TensorValue): Operand {
  const { data, shape, dtype } = operand.content;
  if (data.kind !== 'elements' || data.literal !== true || shape.length > 0 || dtype !== 'float64') return operand;
  return data.elements[0] ?? operand;
}

/** At most this many known elements are computed at compile time. */
const MAX_FOLDED = 64;

/** Both operands as tensors of `dtype`. Default: the dtype in which PyTorch computes them. */
export function promoted(
  context: LowerContext,
  a: Operand,
  b: Operand,
  dtype = resultType([a, b]),
): [TensorValue, TensorValue] {
  return [operandAs(context, a, dtype), operandAs(context, b, dtype)];
}

/** Both operands in a floating dtype, for operators whose result is floating for integers too. */
export function promotedFloats(context: LowerContext, a: Operand, b: Operand): [TensorValue, TensorValue] {
  return promoted(context, a, b, floatType(resultType([a, b])));
}

/**
 * Computes an operator at compile time, for tensors whose few elements are known. So numbers that are computed from sizes
 * and used in a shape stay sizes. The operands have one dtype, and one shape or rank 0. Undefined if the graph must do it.
 */
export function folded(
  context: LowerContext,
  operands: readonly TensorValue[],
  dtype: ScalarType,
  compute: (...elements: readonly Scalar[]) => Scalar,
): TensorValue | undefined {
  const largest = operands.reduce((a, b) => (b.rank > a.rank ? b : a));
  const { shape } = largest.content;
  if (!operands.every((operand) => operand.rank === 0 || sameShape(operand.content.shape, shape))) return undefined;
  const known = operands.map((operand) => context.elementsOf(operand));
  const count = context.elementsOf(largest)?.length ?? 0;
  if (count === 0 || count > MAX_FOLDED || !known.every((elements) => elements?.every(isFoldable) === true))
    return undefined;
  const results = Array.from({ length: count }, (_, i) => {
    const result = compute(...known.map((elements) => elements?.[elements.length === 1 ? 0 : i] ?? 0n));
    // Rounded to the dtype. Undefined if only the graph can do that.
    return context.elementsOf(context.scalar(result, dtype))?.[0];
  });
  return results.every((result) => result !== undefined)
    ? context.elements(results, dtype, shape as readonly number[])
    : undefined;
}

/** True for numbers and sizes. Floats and booleans known only at run time must be computed in the graph. */
function isFoldable(element: Scalar): boolean {
  return typeof element !== 'object' || element instanceof SymInt;
}

/** The elements of a tensor if all of them are numbers known at compile time. */
export function knownNumbers(
  context: LowerContext,
  tensor: TensorValue,
): readonly (bigint | number | boolean)[] | undefined {
  const elements = context.elementsOf(tensor);
  return elements?.every((element) => typeof element !== 'object') === true ? elements : undefined;
}

/**
 * Computes a float function in float64 and rounds to the floating dtype of `tensors`. For functions made of several
 * nodes, whose rounding errors would add up in float32.
 */
export function inDouble(
  context: LowerContext,
  tensors: readonly TensorValue[],
  compute: (...tensors: TensorValue[]) => TensorValue,
): TensorValue {
  const dtype = floatType(tensors[0]?.dtype ?? 'float32');
  return context.cast(compute(...tensors.map((tensor) => context.cast(tensor, 'float64'))), dtype);
}

/** Refuses floating dtypes. */
export function refuseFloats(context: LowerContext, dtype: ScalarType, what: string): void {
  if (isFloating(dtype))
    context.unsupported(`${what} of ${dtype} tensors`, 'convert them: PyTorch defines it only for integers and bool');
}

/** Sets the tensor of an in-place operator to its new elements, in its own dtype and shape. */
export function assign(context: LowerContext, target: TensorValue, result: TensorValue): TensorValue {
  const { shape, dtype, contiguous } = target.content;
  const { content } = context.expand(context.cast(result, dtype), shape);
  context.heap.setTensor(target, { ...content, contiguous });
  return target;
}
