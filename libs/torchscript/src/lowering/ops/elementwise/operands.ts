import { castScalar } from '../../../executor/emitter.ts';
import type { LowerContext } from '../../../executor/lower-context.ts';
import { SymInt, type Dim } from '../../../executor/sym-int.ts';
import { TensorValue, type Scalar } from '../../../executor/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { binary, compare } from '../../arithmetic.ts';
import { broadcastShapes } from '../../broadcast.ts';
import { asFloat, operandAs, type Operand } from '../../promotion.ts';

/** More known elements than any shape has are left to the graph. */
const MAX_FOLDED = 64;

/** How operands are computed without the graph. */
export interface Folding {
  /** The dtype the operands are computed in. */
  readonly dtype: ScalarType;
  /** Unless said, that of the operands. */
  readonly result?: ScalarType;
  readonly compute: (...elements: readonly Scalar[]) => Scalar;
}

/**
 * The result for operands whose elements are all known: sizes on their way through `size // 2` into a shape stay sizes, and
 * constants stay constants. Undefined where only the graph can compute it.
 */
export function fold(context: LowerContext, operands: readonly Operand[], folding: Folding): TensorValue | undefined {
  const { dtype, result = dtype, compute } = folding;
  const known = operands.map((operand) => knownElements(context, operand, dtype));
  if (known.some((part) => part === undefined)) return undefined;
  const parts = known as Known[];
  const shape = broadcastShapes(context, ...parts.map((part) => part.shape)) as number[];
  const count = shape.reduce((product, size) => product * size, 1);
  if (count > MAX_FOLDED) return undefined;
  const elements: Scalar[] = [];
  for (let i = 0; i < count; i++) {
    const element = castScalar(compute(...parts.map((part) => part.elements[sourceOf(i, shape, part.shape)] ?? 0n)), result);
    if (element === undefined) return undefined;
    elements.push(element);
  }
  return context.elements(elements, result, shape);
}

interface Known {
  readonly elements: readonly Scalar[];
  readonly shape: readonly number[];
}

/** An operand's elements in `dtype`, where they are known: numbers, or sizes where that is int64. */
function knownElements(context: LowerContext, operand: Operand, dtype: ScalarType): Known | undefined {
  const tensor = operand instanceof TensorValue;
  const elements = tensor ? context.elementsOf(operand) : [operand];
  const shape = tensor ? operand.shape : [];
  if (elements === undefined || shape.some((dim) => typeof dim !== 'number')) return undefined;
  const cast = elements.map((element) => castScalar(element, dtype));
  const usable = cast.every((element) => typeof element !== 'object' ? element !== undefined : element instanceof SymInt);
  return usable ? { elements: cast as Scalar[], shape: shape as number[] } : undefined;
}

/** The row-major position in `from` of the element that broadcasting puts at position `index` of `shape`. */
function sourceOf(index: number, shape: readonly number[], from: readonly number[]): number {
  let [rest, position, stride] = [index, 0, 1];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1;
    const own = from[axis - shape.length + from.length] ?? 1;
    if (own !== 1) position += (rest % size) * stride;
    stride *= own;
    rest = Math.floor(rest / size);
  }
  return position;
}

/** The shape that operands broadcast to. */
export function shapeOf(context: LowerContext, ...operands: readonly Operand[]): Dim[] {
  return broadcastShapes(context, ...operands.map((operand) => (operand instanceof TensorValue ? operand.shape : [])));
}

/** A node of two operands, both in `dtype`. */
export function binaryNode(context: LowerContext, opType: string, a: Operand, b: Operand, dtype: ScalarType): TensorValue {
  return binary(context, opType, operandAs(context, a, dtype), operandAs(context, b, dtype));
}

/** A comparison of two operands, both in `dtype`. */
export function compareNode(context: LowerContext, opType: string, a: Operand, b: Operand, dtype: ScalarType): TensorValue {
  return compare(context, opType, operandAs(context, a, dtype), operandAs(context, b, dtype));
}

/** A tensor and a number of its dtype. */
export function withNumber(context: LowerContext, opType: string, tensor: TensorValue, value: number): TensorValue {
  return binary(context, opType, tensor, context.scalar(value, tensor.dtype));
}

/**
 * Computes a function of floats in double precision, and gives the result in the tensor's own: for compositions of several
 * nodes whose rounding would show (the logarithm of base 2 of 8 is 3).
 */
export function inDouble(
  context: LowerContext,
  self: TensorValue,
  compute: (tensor: TensorValue) => TensorValue,
): TensorValue {
  const tensor = asFloat(context, self);
  return context.cast(compute(context.cast(tensor, 'float64')), tensor.dtype);
}
