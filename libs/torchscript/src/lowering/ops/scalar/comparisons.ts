import { SymFloat, SymStr, type Scalar, type SymBool, type TensorValue } from '../../../symbolic/values.ts';
import { sameIdentity, sameValue } from '../../same-value.ts';
import { combine, compareScalars, not, toBoolean, toFloat, toInteger, type Comparison } from '../../scalar-math.ts';
import { UNKNOWN_TEXT } from '../../python-text.ts';
import { scalarFamily } from './scalar-family.ts';

const { ops, defineScalarOp } = scalarFamily();

/** Comparisons, boolean operators and conversions of numbers. */
export const comparisons = ops;

const COMPARE_TEXT: Readonly<Record<Comparison, (a: string, b: string) => boolean>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
};
for (const op of ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const) {
  defineScalarOp(`aten::${op}(Scalar a, Scalar b) -> bool`, (context, { a, b }) =>
    compareScalars(context, op, a as Scalar, b as Scalar),
  );
  defineScalarOp(`aten::${op}.str(AnyStr a, AnyStr b) -> bool`, (context, { a, b }) => {
    if (a instanceof SymStr || b instanceof SymStr) {
      if (op === 'eq') return sameValue(context, a, b);
      if (op === 'ne') return not(sameValue(context, a, b));
      return context.unsupported('the order of strings of which a run chooses one', 'compare numbers instead');
    }
    const [x, y] = [a as string, b as string];
    if (`${x}${y}`.includes(UNKNOWN_TEXT))
      context.warn(
        'a string that contains a number known only at run time is compared: it never equals another string',
      );
    return COMPARE_TEXT[op](x, y);
  });
}
for (const [overload, type] of [
  ['int_list', 't[]'],
  ['device', 'Device'],
  ['enum', 'AnyEnumType'],
] as const) {
  defineScalarOp(`aten::eq.${overload}(${type} a, ${type} b) -> bool`, (context, { a, b }) => sameValue(context, a, b));
  defineScalarOp(`aten::ne.${overload}(${type} a, ${type} b) -> bool`, (context, { a, b }) =>
    not(sameValue(context, a, b)),
  );
}
defineScalarOp('aten::__is__(t1 self, t2 obj) -> bool', (_, { self, obj }) => sameIdentity(self, obj));
defineScalarOp('aten::__isnot__(t1 self, t2 obj) -> bool', (_, { self, obj }) => not(sameIdentity(self, obj)));

defineScalarOp('aten::__not__(bool self) -> bool', (_, { self }) => not(self as boolean | SymBool));
for (const op of ['and', 'or', 'xor'] as const) {
  defineScalarOp(`aten::__${op}__.bool(bool a, bool b) -> bool`, (context, { a, b }) =>
    combine(context, op, a as boolean | SymBool, b as boolean | SymBool),
  );
}

// ---- conversions of numbers, strings and tensors to numbers -----------------------------------------------------------

defineScalarOp('aten::Int.Scalar(Scalar a) -> int', (context, { a }) => toInteger(context, 'trunc', a as Scalar));
defineScalarOp('aten::Int.str(str a) -> int', (context, { a }) => {
  const text = (a as string).trim().replace(/^\+/, '');
  return /^-?\d+$/.test(text) ? BigInt(text) : context.unsupported(`“${text}” as an int`, 'PyTorch fails here too');
});
defineScalarOp('aten::Int.Tensor(Tensor a) -> int', (context, { a }) => {
  const tensor = a as TensorValue;
  const known = context.elementsOf(tensor) !== undefined;
  return toInteger(context, 'trunc', context.item(known ? tensor : context.cast(tensor, 'int64')));
});
defineScalarOp('aten::Float.Scalar(Scalar a) -> float', (context, { a }) => toFloat(context, a as Scalar));
defineScalarOp('aten::Float.str(str a) -> float', (context, { a }) => {
  const text = (a as string).trim().toLowerCase();
  const special = /^([-+]?)(inf|infinity|nan)$/.exec(text);
  if (special !== null) return special[2] === 'nan' ? NaN : special[1] === '-' ? -Infinity : Infinity;
  const value = text === '' ? NaN : Number(text);
  return Number.isNaN(value) ? context.unsupported(`“${text}” as a float`, 'PyTorch fails here too') : value;
});
defineScalarOp('aten::Float.Tensor(Tensor a) -> float', (context, { a }) =>
  toFloat(context, context.item(a as TensorValue)),
);
defineScalarOp('aten::Bool.int(Scalar a) -> bool', (context, { a }) => toBoolean(context, a as Scalar));
for (const name of ['Bool.Tensor', 'is_nonzero']) {
  defineScalarOp(`aten::${name}(Tensor a) -> bool`, (context, { a }) =>
    toBoolean(context, context.item(a as TensorValue)),
  );
}
defineScalarOp('aten::item(Tensor self) -> Scalar', (context, { self }) => context.item(self as TensorValue));
defineScalarOp('aten::ScalarImplicit(Tensor a) -> Scalar', (context, { a }) => context.item(a as TensorValue));
defineScalarOp('aten::IntImplicit(Tensor a) -> int', (context, { a }) =>
  toInteger(context, 'trunc', context.item(a as TensorValue)),
);
defineScalarOp('aten::FloatImplicit(Tensor a) -> float', (context, { a }) =>
  toFloat(context, context.item(a as TensorValue)),
);
defineScalarOp('prim::NumToTensor.Scalar(Scalar a) -> Tensor', (context, { a }) => {
  const value = a as Scalar;
  const float = typeof value === 'number' || value instanceof SymFloat;
  const bool = !float && (typeof value === 'boolean' || (typeof value === 'object' && 'condition' in value));
  return context.elements([value], float ? 'float64' : bool ? 'bool' : 'int64', []);
});
