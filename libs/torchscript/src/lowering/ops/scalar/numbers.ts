import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { maxDims, mulDims, subDims, SymInt, addDims, floorDivDims, minimumOf } from '../../../symbolic/sym-int.ts';
import { type ListValue, SymFloat, type Scalar } from '../../../symbolic/values.ts';
import { arithmetic, asDim, compareScalars, fromDim, toFloat, toInteger } from '../../scalar-math.ts';
import { ceilDivDims } from '../../slicing.ts';
import { scalarFamily } from './scalar-family.ts';

const { ops, defineScalarOp } = scalarFamily();

/** Arithmetic on Python's numbers. */
export const numbers = ops;

for (const op of ['add', 'sub', 'mul', 'floordiv'] as const) {
  defineScalarOp(`aten::${op}(Scalar a, Scalar b) -> Scalar`, (context, { a, b }) =>
    arithmetic(context, op, a as Scalar, b as Scalar),
  );
}
defineScalarOp('aten::remainder(Scalar a, Scalar b) -> Scalar', (context, { a, b }) =>
  arithmetic(context, 'mod', a as Scalar, b as Scalar),
);
defineScalarOp('aten::div(Scalar a, Scalar b) -> float', (context, { a, b }) =>
  arithmetic(context, 'div', a as Scalar, b as Scalar),
);
defineScalarOp('aten::pow.Scalar_Scalar(Scalar a, Scalar b) -> float', (context, { a, b }) =>
  toFloat(context, arithmetic(context, 'pow', a as Scalar, b as Scalar)),
);
for (const op of ['min', 'max'] as const) {
  defineScalarOp(`prim::${op}(Scalar a, Scalar b) -> Scalar`, (context, { a, b }) =>
    arithmetic(context, op, a as Scalar, b as Scalar),
  );
  defineScalarOp(`prim::${op}.self_float(Scalar[] self) -> Scalar`, (context, { self }) => {
    const [first, ...rest] = (self as ListValue).items as readonly Scalar[];
    if (first === undefined) return context.unsupported(`${op} of an empty list`, 'PyTorch fails here too');
    return rest.reduce((best, item) => arithmetic(context, op, best, item), first);
  });
}
defineScalarOp('aten::neg.Scalar(Scalar a) -> Scalar', (context, { a }) =>
  typeof a === 'number' ? -a : arithmetic(context, 'mul', a as Scalar, a instanceof SymFloat ? -1 : -1n),
);
defineScalarOp('prim::abs.Scalar(Scalar a) -> Scalar', (context, { a }) => absolute(context, a as Scalar));
defineScalarOp('aten::fabs.Scalar(Scalar a) -> Scalar', (context, { a }) =>
  toFloat(context, absolute(context, a as Scalar)),
);

function absolute(context: LowerContext, value: Scalar): Scalar {
  if (typeof value === 'number') return Math.abs(value);
  if (typeof value === 'bigint') return value < 0n ? BigInt.asIntN(64, -value) : value;
  if (value instanceof SymFloat) return context.item(context.node('Abs', [context.scalar(value, 'float64')]));
  const dim = asDim(context, value);
  return fromDim(minimumOf(dim) >= 0 ? dim : maxDims(dim, mulDims(dim, -1)));
}

defineScalarOp('aten::floor.Scalar(Scalar a) -> Scalar', (context, { a }) => toInteger(context, 'floor', a as Scalar));
defineScalarOp('aten::ceil.Scalar(Scalar a) -> Scalar', (context, { a }) => toInteger(context, 'ceil', a as Scalar));
defineScalarOp('aten::divmod.int(int x, int y) -> (int, int)', (context, { x, y }) => [
  arithmetic(context, 'floordiv', x as Scalar, y as Scalar),
  arithmetic(context, 'mod', x as Scalar, y as Scalar),
]);

const rounded = (value: number): number => {
  const floor = Math.floor(value);
  const fraction = value - floor;
  return fraction < 0.5 || (fraction === 0.5 && floor % 2 === 0) ? floor : floor + 1;
};

/** Functions of one number with a float result: PyTorch's name, the function at compile time, ONNX's operator. */
const FUNCTIONS: readonly (readonly [string, (value: number) => number, string | undefined])[] = [
  ['round', rounded, 'Round'],
  ['sqrt', Math.sqrt, 'Sqrt'],
  ['exp', Math.exp, 'Exp'],
  ['expm1', Math.expm1, undefined],
  ['log', Math.log, 'Log'],
  ['log10', Math.log10, undefined],
  ['log1p', Math.log1p, undefined],
  ['sin', Math.sin, 'Sin'],
  ['cos', Math.cos, 'Cos'],
  ['tan', Math.tan, 'Tan'],
  ['asin', Math.asin, 'Asin'],
  ['acos', Math.acos, 'Acos'],
  ['atan', Math.atan, 'Atan'],
  ['sinh', Math.sinh, 'Sinh'],
  ['cosh', Math.cosh, 'Cosh'],
  ['tanh', Math.tanh, 'Tanh'],
  ['asinh', Math.asinh, undefined],
  ['acosh', Math.acosh, undefined],
  ['atanh', Math.atanh, undefined],
  ['degrees', (value) => (value * 180) / Math.PI, undefined],
  ['radians', (value) => (value * Math.PI) / 180, undefined],
];
for (const [name, compute, opType] of FUNCTIONS) {
  defineScalarOp(
    `aten::${name}.Scalar(Scalar a) -> Scalar`,
    (context, { a }) => {
      if (typeof a !== 'object') return compute(Number(a));
      if (opType === undefined) return context.unsupported(`${name} of a number known only at run time`, NO_FUNCTION);
      return context.item(context.node(opType, [context.scalar(a as Scalar, 'float64')]));
    },
    opType === undefined ? { limits: 'numbers known only at run time are refused' } : {},
  );
}
const NO_FUNCTION = 'compute it on a tensor instead';

/** Functions of two numbers known at compile time, with a float result. */
const PAIRS: readonly (readonly [string, string, (a: number, b: number) => number])[] = [
  ['atan2', 'atan2.Scalar_Scalar', Math.atan2],
  ['fmod', 'fmod', (a, b) => a % b],
  ['copysign', 'copysign', (a, b) => (b < 0 || Object.is(b, -0) ? -Math.abs(a) : Math.abs(a))],
  ['log', 'log.Scalar_Scalar', (a, b) => Math.log(a) / Math.log(b)],
  ['mathremainder', 'mathremainder', remainderOfNearest],
];

/** `a` minus the nearest multiple of `b`. Of two equally near multiples the even one is taken. Exact, as in IEEE 754. */
function remainderOfNearest(a: number, b: number): number {
  const size = Math.abs(b);
  // The remainder by 2b shows whether the quotient is odd.
  const rest = Math.abs(a) % (2 * size);
  const nearest = rest <= size / 2 ? rest : rest < 1.5 * size ? rest - size : rest - 2 * size;
  return a < 0 ? -nearest : nearest;
}

for (const [name, key, compute] of PAIRS) {
  defineScalarOp(
    `aten::${key}(Scalar a, Scalar b) -> float`,
    (context, { a, b }) =>
      typeof a === 'object' || typeof b === 'object'
        ? context.unsupported(`${name} of a number known only at run time`, NO_FUNCTION)
        : compute(Number(a), Number(b)),
    { limits: 'numbers known only at run time are refused' },
  );
}
defineScalarOp('aten::isnan.float(float a) -> bool', (context, { a }) =>
  compareScalars(context, 'ne', a as Scalar, a as Scalar),
);
defineScalarOp('aten::isinf.float(float a) -> bool', (context, { a }) =>
  compareScalars(context, 'eq', absolute(context, a as Scalar), Infinity),
);
defineScalarOp('aten::isfinite.float(float a) -> bool', (context, { a }) =>
  compareScalars(context, 'lt', absolute(context, a as Scalar), Infinity),
);
defineScalarOp('aten::gcd.int(int a, int b) -> int', (context, { a, b }) => {
  if (typeof a !== 'bigint' || typeof b !== 'bigint')
    return context.unsupported('gcd of numbers known only at run time', NO_FUNCTION);
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
});

defineScalarOp('aten::__lshift__.int(int a, int b) -> int', (context, { a, b }) =>
  arithmetic(context, 'mul', a as Scalar, shiftFactor(context, b as Scalar)),
);
defineScalarOp('aten::__rshift__.int(int a, int b) -> int', (context, { a, b }) =>
  arithmetic(context, 'floordiv', a as Scalar, shiftFactor(context, b as Scalar)),
);

function shiftFactor(context: LowerContext, by: Scalar): bigint {
  if (typeof by === 'bigint' && by >= 0n && by < 63n) return 2n ** by;
  return context.unsupported('a shift by a number known only at run time or out of range', NO_FUNCTION);
}

for (const [name, opType, compute] of [
  ['__and__', 'BitwiseAnd', (a: bigint, b: bigint) => a & b],
  ['__or__', 'BitwiseOr', (a: bigint, b: bigint) => a | b],
  ['__xor__', 'BitwiseXor', (a: bigint, b: bigint) => a ^ b],
] as const) {
  defineScalarOp(`aten::${name}.int(int a, int b) -> int`, (context, { a, b }) =>
    typeof a === 'bigint' && typeof b === 'bigint'
      ? compute(a, b)
      : context.item(
          context.node(opType, [context.scalar(a as Scalar, 'int64'), context.scalar(b as Scalar, 'int64')]),
        ),
  );
}

// `range(start, end, step)` becomes these two: the number of iterations, and the index in one of them.
defineScalarOp('aten::__range_length(int lo, int hi, int step) -> int', (context, { lo, hi, step }) => {
  const by = asDim(context, step as bigint);
  if (by instanceof SymInt || by === 0)
    return context.unsupported(
      'a range whose step is 0 or known only at run time',
      'use a constant step that is not 0',
    );
  const span = subDims(asDim(context, hi as bigint), asDim(context, lo as bigint));
  return fromDim(maxDims(by > 0 ? ceilDivDims(span, by) : floorDivDims(addDims(span, by + 1), by), 0));
});
defineScalarOp('aten::__derive_index(int index, int start, int step) -> int', (context, { index, start, step }) =>
  arithmetic(context, 'add', start as Scalar, arithmetic(context, 'mul', index as Scalar, step as Scalar)),
);
