import type { LowerContext } from '../symbolic/lower-context.ts';
import {
  addDims,
  floorDivDims,
  isEqual,
  isLess,
  maxDims,
  minDims,
  minimumOf,
  modDims,
  mulDims,
  subDims,
  SymInt,
  type Dim,
} from '../symbolic/sym-int.ts';
import { SymBool, SymFloat, type Scalar, type TensorValue } from '../symbolic/values.ts';
import { flag } from './attributes.ts';
import { ceilDivDims } from './slicing.ts';
import { exactRatio, noteRatio, ratioOf, type Ratio } from './size-ratio.ts';

/** Python's arithmetic on two numbers. */
export type Arithmetic = 'add' | 'sub' | 'mul' | 'div' | 'floordiv' | 'mod' | 'pow' | 'min' | 'max';

/** Python's comparisons. */
export type Comparison = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge';

/** The way of rounding a float to a whole number. */
export type Rounding = 'floor' | 'ceil' | 'trunc';

const isConcrete = (value: Scalar): value is boolean | bigint | number => typeof value !== 'object';
const isFloat = (value: Scalar): value is number | SymFloat => typeof value === 'number' || value instanceof SymFloat;
const isBool = (value: Scalar): value is boolean | SymBool => typeof value === 'boolean' || value instanceof SymBool;

/** An integer or truth value as a size. Numbers that a double does not hold exactly are larger than every size, and are clamped. */
export function asDim(context: LowerContext, value: Exclude<Scalar, number | SymFloat>): Dim {
  if (value instanceof SymInt) return context.resolve(value);
  if (value instanceof SymBool) return asDim(context, context.item(context.scalar(value, 'int64')) as bigint | SymInt);
  const number = Number(value);
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, number));
}

/** A size as an int of the program. */
export function fromDim(dim: Dim): bigint | SymInt {
  return dim instanceof SymInt ? dim : BigInt(dim);
}

/** `a op b` of two numbers, as in PyTorch: `//` and `%` round down; ints give an int, except for `/` and for known powers. */
export function arithmetic(context: LowerContext, op: Arithmetic, a: Scalar, b: Scalar): Scalar {
  const integral = !isFloat(a) && !isFloat(b) && op !== 'div';
  if (isConcrete(a) && isConcrete(b)) {
    if (op === 'pow') return concretePower(context, Number(a), Number(b));
    if (integral) return integerArithmetic(context, op, BigInt(a), BigInt(b));
    return FLOAT_ARITHMETIC[op](Number(a), Number(b));
  }
  if (integral && op !== 'pow') {
    return fromDim(DIM_ARITHMETIC[op](asDim(context, a), asDim(context, b)));
  }
  if (op === 'pow') return power(context, a, b);
  return floatArithmetic(context, op, a, b);
}

const DIM_ARITHMETIC: Readonly<Record<Exclude<Arithmetic, 'div' | 'pow'>, (a: Dim, b: Dim) => Dim>> = {
  add: addDims,
  sub: subDims,
  mul: mulDims,
  floordiv: floorDivDims,
  mod: modDims,
  min: minDims,
  max: maxDims,
};

const FLOAT_ARITHMETIC: Readonly<Record<Exclude<Arithmetic, 'pow'>, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  floordiv: (a, b) => Math.floor(a / b),
  mod: (a, b) => (b + (a % b)) % b,
  // The result with a NaN depends on which operand is NaN.
  min: (a, b) => (a < b ? a : b),
  max: (a, b) => (a > b ? a : b),
};

function concretePower(context: LowerContext, a: number, b: number): number {
  if (a === 0 && b < 0) return context.unsupported('a negative power of zero', 'PyTorch fails here too');
  // C returns 1 here, JavaScript NaN.
  return a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;
}

function integerArithmetic(context: LowerContext, op: Exclude<Arithmetic, 'pow'>, a: bigint, b: bigint): bigint {
  if (b === 0n && (op === 'floordiv' || op === 'mod')) {
    return context.unsupported('a division of integers by zero', 'PyTorch fails here too: check the inputs’ sizes');
  }
  const wrapped = (value: bigint): bigint => BigInt.asIntN(64, value);
  switch (op) {
    case 'add':
      return wrapped(a + b);
    case 'sub':
      return wrapped(a - b);
    case 'mul':
      return wrapped(a * b);
    case 'min':
      return a < b ? a : b;
    case 'max':
      return a > b ? a : b;
    case 'mod':
      return wrapped(b + (a % b)) % b;
    default:
      return wrapped((a - (((a % b) + b) % b)) / b);
  }
}

/** A power with a base or exponent that is known only at run time. */
function power(context: LowerContext, a: Scalar, b: Scalar): Scalar {
  if (!isFloat(a) && typeof b === 'bigint' && b >= 0n && b <= 8n) {
    let product: Dim = 1;
    for (let i = 0n; i < b; i++) product = mulDims(product, asDim(context, a));
    return fromDim(product);
  }
  const dtype = isFloat(a) || isFloat(b) ? 'float64' : 'int64';
  return context.item(context.node('Pow', [context.scalar(a, dtype), context.scalar(b, dtype)]));
}

const FLOAT_NODES: Readonly<Partial<Record<Arithmetic, string>>> = {
  add: 'Add',
  sub: 'Sub',
  mul: 'Mul',
  div: 'Div',
  min: 'Min',
  max: 'Max',
};

/** Arithmetic of two floats. One of them is known only at run time. */
function floatArithmetic(context: LowerContext, op: Arithmetic, a: Scalar, b: Scalar): Scalar {
  if (op === 'floordiv') return roundedFloat(context, 'Floor', floatArithmetic(context, 'div', a, b));
  if (op === 'mod') return modFloats(context, context.scalar(a, 'float64'), context.scalar(b, 'float64'));
  if ((op === 'mul' || op === 'div') && a instanceof SymFloat && Number(b) === 1 && isConcrete(b)) return a;
  const result = context.item(
    context.node(FLOAT_NODES[op] ?? op, [context.scalar(a, 'float64'), context.scalar(b, 'float64')]),
  );
  if (result instanceof SymFloat) noteRatio(result, ratioOfResult(context, op, a, b));
  return result;
}

/** `a % b` with the sign of `b`, without rounding a quotient. */
function modFloats(context: LowerContext, a: TensorValue, b: TensorValue): Scalar {
  const truncated = (x: TensorValue): TensorValue => context.node('Mod', [x, b], { attributes: { fmod: flag(true) } });
  return context.item(truncated(context.node('Add', [b, truncated(a)])));
}

/** `a op b` as a fraction of sizes, if that is known. */
function ratioOfResult(context: LowerContext, op: Arithmetic, a: Scalar, b: Scalar): Ratio | undefined {
  const [x, y] = [exactRatio(context, a), exactRatio(context, b)];
  if (x === undefined || y === undefined) return undefined;
  const cross = [mulDims(x.over, y.under), mulDims(y.over, x.under)] as const;
  const under = x.under * y.under;
  if (op === 'add') return { over: addDims(...cross), under, exact: true };
  if (op === 'sub') return { over: subDims(...cross), under, exact: true };
  if (op === 'mul') return { over: mulDims(x.over, y.over), under, exact: true };
  if (op !== 'div' || typeof y.over !== 'number' || y.over <= 0) return undefined;
  // A quotient is rounded to a double, unless the divisor is a power of two.
  return { over: cross[0], under: x.under * y.over, exact: Number.isInteger(Math.log2(y.over)) };
}

function roundedFloat(context: LowerContext, opType: string, value: Scalar): Scalar {
  return context.item(context.node(opType, [context.scalar(value, 'float64')]));
}

/** A number as an int. @throws SconceError if it is NaN or infinite, as Python does. */
export function toInteger(context: LowerContext, rounding: Rounding, value: Scalar): bigint | SymInt {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return context.unsupported(`${value} as an int`, 'PyTorch fails here too');
    return BigInt(Math[rounding](value));
  }
  if (typeof value === 'bigint') return value;
  if (!isFloat(value)) return fromDim(asDim(context, value));
  const ratio = ratioOf(context, value);
  if (ratio !== undefined && (rounding !== 'trunc' || minimumOf(ratio.over) >= 0)) {
    return fromDim((rounding === 'ceil' ? ceilDivDims : floorDivDims)(ratio.over, ratio.under));
  }
  const whole = rounding === 'trunc' ? value : roundedFloat(context, rounding === 'floor' ? 'Floor' : 'Ceil', value);
  return context.item(context.cast(context.scalar(whole, 'float64'), 'int64')) as bigint | SymInt;
}

/** A number as a float. */
export function toFloat(context: LowerContext, value: Scalar): number | SymFloat {
  if (isConcrete(value)) return Number(value);
  if (value instanceof SymFloat) return value;
  const result = context.item(context.scalar(value, 'float64')) as number | SymFloat;
  const ratio = exactRatio(context, value);
  if (result instanceof SymFloat) noteRatio(result, ratio);
  return result;
}

/** Whether a number counts as true. */
export function toBoolean(context: LowerContext, value: Scalar): boolean | SymBool {
  return isBool(value) ? value : compareScalars(context, 'ne', value, isFloat(value) ? 0 : 0n);
}

/** `a op b` as a truth value. It is known at compile time if sizes alone decide it. */
export function compareScalars(context: LowerContext, op: Comparison, a: Scalar, b: Scalar): boolean | SymBool {
  if (op === 'ne') return not(compareScalars(context, 'eq', a, b));
  if (op === 'gt') return compareScalars(context, 'lt', b, a);
  if (op === 'ge') return compareScalars(context, 'le', b, a);
  if (isConcrete(a) && isConcrete(b)) {
    // An int that is compared with a float is rounded to a float.
    const [x, y] = isFloat(a) || isFloat(b) ? [Number(a), Number(b)] : [BigInt(a), BigInt(b)];
    return op === 'eq' ? x === y : op === 'lt' ? x < y : x <= y;
  }
  const [x, y] = [exactRatio(context, a), exactRatio(context, b)];
  if (x !== undefined && y !== undefined) {
    return compareDims(op, mulDims(x.over, y.under), mulDims(y.over, x.under));
  }
  const dtype =
    isBool(a) && isBool(b) ? (op === 'eq' ? 'bool' : 'int32') : isFloat(a) || isFloat(b) ? 'float64' : 'int64';
  const compared = context.node(COMPARISON_NODES[op], [context.scalar(a, dtype), context.scalar(b, dtype)], {
    dtype: 'bool',
  });
  return context.item(compared) as boolean | SymBool;
}

const COMPARISON_NODES = { eq: 'Equal', lt: 'Less', le: 'LessOrEqual' } as const;

function compareDims(op: 'eq' | 'lt' | 'le', a: Dim, b: Dim): boolean | SymBool {
  const known = op === 'eq' ? isEqual(a, b) : op === 'lt' ? isLess(a, b) : isLess(b, a);
  if (known !== undefined) return op === 'le' ? !known : known;
  return new SymBool({ kind: 'compare', op, a, b });
}

/** `not value`. */
export function not(value: boolean | SymBool): boolean | SymBool {
  if (typeof value === 'boolean') return !value;
  return value.condition.kind === 'not' ? value.condition.of : new SymBool({ kind: 'not', of: value });
}

/** `a and b`, or `a or b`, of truth values. `xor` is `a != b`. */
export function combine(
  context: LowerContext,
  op: 'and' | 'or' | 'xor',
  a: boolean | SymBool,
  b: boolean | SymBool,
): boolean | SymBool {
  const [known, other] = typeof a === 'boolean' ? [a, b] : [b, a];
  if (typeof known === 'boolean') {
    if (op === 'xor') return known ? not(other) : other;
    return known === (op === 'or') ? known : other;
  }
  const opType = { and: 'And', or: 'Or', xor: 'Xor' }[op];
  return context.item(context.node(opType, [context.scalar(a, 'bool'), context.scalar(b, 'bool')])) as SymBool;
}
