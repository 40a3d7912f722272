import type { LowerContext } from '../symbolic/lower-context.ts';
import { SymInt } from '../symbolic/sym-int.ts';
import {
  DictValue,
  isTuple,
  ListValue,
  MaybeValue,
  SymBool,
  SymFloat,
  SymStr,
  TensorValue,
  type Scalar,
  type Value,
} from '../symbolic/values.ts';
import { combine, compareScalars, not } from './scalar-math.ts';

/** Python's `is`: the same object, or the same constant. */
export function sameIdentity(a: Value | undefined, b: Value | undefined): boolean | SymBool {
  if (a instanceof MaybeValue && b === null) return not(a.present);
  if (b instanceof MaybeValue && a === null) return not(b.present);
  return sameConstant(a, b) ?? Object.is(a, b);
}

/** Python's `==` of numbers, strings, lists, tuples, dicts, devices, enums and objects (by identity). */
export function sameValue(context: LowerContext, a: Value | undefined, b: Value | undefined): boolean | SymBool {
  if (isNumber(a) && isNumber(b)) return compareScalars(context, 'eq', a, b);
  if (a instanceof SymStr || b instanceof SymStr) {
    const [x, y] = [a, b].map((text) =>
      text instanceof SymStr ? text.id : typeof text === 'string' ? BigInt(context.stringId(text)) : undefined,
    );
    return x !== undefined && y !== undefined && compareScalars(context, 'eq', x, y);
  }
  const items = pairsOf(a, b);
  if (items === undefined) return sameIdentity(a, b);
  return items.reduce<boolean | SymBool>(
    (same, [x, y]) => (same === false ? false : combine(context, 'and', same, sameValue(context, x, y))),
    true,
  );
}

/** Whether two keys of dicts or items of lists are equal. @throws SconceError if this is known only at run time. */
export function isSame(context: LowerContext, a: Value | undefined, b: Value | undefined): boolean {
  const same = sameValue(context, a, b);
  if (typeof same === 'boolean') return same;
  return context.unsupported('a look-up of a number that is known only at run time', 'look it up in a tensor instead');
}

function isNumber(value: Value | undefined): value is Scalar {
  if (value instanceof SymInt || value instanceof SymFloat || value instanceof SymBool) return true;
  return typeof value === 'boolean' || typeof value === 'bigint' || typeof value === 'number';
}

/** The pairs of parts of two values that must be equal; undefined if they have no parts, `[[true, false]]` if their numbers differ. */
function pairsOf(a: Value | undefined, b: Value | undefined): readonly (readonly [Value, Value])[] | undefined {
  const parts = [a, b].map((value) => {
    if (value instanceof ListValue || isTuple(value)) return value.items;
    return value instanceof DictValue ? value.entries.flat() : undefined;
  });
  const [x, y] = parts;
  if (x === undefined || y === undefined) return undefined;
  return x.length === y.length ? x.map((item, i) => [item, y[i] ?? null] as const) : [[true, false]];
}

/** Whether two constants are equal; undefined if the values are not constants of the same kind. */
function sameConstant(a: Value | undefined, b: Value | undefined): boolean | undefined {
  if (a instanceof SymInt && b instanceof SymInt) return a.key === b.key;
  if (a instanceof TensorValue || b instanceof TensorValue) return undefined;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return undefined;
  if (!('kind' in a) || !('kind' in b)) return undefined;
  if (a.kind === 'device' && b.kind === 'device') return a.device === b.device;
  return a.kind === 'enum' && b.kind === 'enum' ? a.className === b.className && a.name === b.name : undefined;
}
