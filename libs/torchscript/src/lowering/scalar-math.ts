import type { LowerContext } from '../executor/lower-context.ts';
import {
  addDims, floorDivDims, isEqual, isLess, maxDims, minDims, modDims, mulDims, subDims, SymInt, type Dim,
} from '../executor/sym-int.ts';
import { SymBool, SymFloat, type Scalar, type TensorValue } from '../executor/values.ts';
import { modelError } from '../torchscript-error.ts';

type Arithmetic = 'add' | 'sub' | 'mul' | 'div' | 'floordiv' | 'mod' | 'pow' | 'min' | 'max';
const isFloat = (v: Scalar): v is number | SymFloat => typeof v === 'number' || v instanceof SymFloat;
const isInt = (v: Scalar): v is bigint | SymInt | boolean | SymBool => !isFloat(v);
export const asDim = (v: Scalar): Dim => (v instanceof SymInt ? v : Number(v as bigint));
export const fromDim = (d: Dim): bigint | SymInt => (d instanceof SymInt ? d : BigInt(d));
const DIMS: Partial<Record<Arithmetic, (a: Dim, b: Dim) => Dim>> = { add: addDims, sub: subDims, mul: mulDims, floordiv: floorDivDims, mod: modDims, min: minDims, max: maxDims };
const BIG: Partial<Record<Arithmetic, (a: bigint, b: bigint) => bigint>> = {
  add: (a, b) => a + b, sub: (a, b) => a - b, mul: (a, b) => a * b,
  floordiv: (a, b) => { if (b === 0n) throw modelError('execute', 'integer division by zero'); const q = a / b; return q * b !== a && (a < 0n) !== (b < 0n) ? q - 1n : q; },
  mod: (a, b) => { if (b === 0n) throw modelError('execute', 'integer modulo by zero'); const r = a % b; return r !== 0n && (r < 0n) !== (b < 0n) ? r + b : r; },
  min: (a, b) => (a < b ? a : b), max: (a, b) => (a > b ? a : b), pow: (a, b) => a ** b,
};
const NUM: Record<Arithmetic, (a: number, b: number) => number> = {
  add: (a, b) => a + b, sub: (a, b) => a - b, mul: (a, b) => a * b, div: (a, b) => a / b, floordiv: (a, b) => Math.floor(a / b),
  mod: (a, b) => a - Math.floor(a / b) * b, pow: (a, b) => a ** b, min: Math.min, max: Math.max,
};
const NODE: Record<Arithmetic, string> = { add: 'Add', sub: 'Sub', mul: 'Mul', div: 'Div', floordiv: 'Div', mod: 'Mod', pow: 'Pow', min: 'Min', max: 'Max' };
const plain = (v: Scalar): v is boolean | bigint | number => typeof v !== 'object';

/** Python's arithmetic on numbers, some of them known only at run time. */
export function arithmetic(context: LowerContext, op: Arithmetic, a: Scalar, b: Scalar): Scalar {
  if (plain(a) && plain(b)) {
    const big = BIG[op];
    if (isInt(a) && isInt(b) && big !== undefined && !(op === 'pow' && Number(b) < 0)) return big(BigInt(a as bigint), BigInt(b as bigint));
    return NUM[op](Number(a), Number(b));
  }
  const dims = DIMS[op];
  const intLike = (v: Scalar): boolean => typeof v === 'bigint' || v instanceof SymInt || typeof v === 'boolean';
  if (intLike(a) && intLike(b) && dims !== undefined) return fromDim(dims(asDim(a), asDim(b)));
  const [x, y] = [context.scalar(a, 'float64'), context.scalar(b, 'float64')];
  if (op === 'mod') return arithmetic(context, 'sub', a, arithmetic(context, 'mul', arithmetic(context, 'floordiv', a, b), b));
  const result = context.node(NODE[op], [x, y]);
  return context.item(op === 'floordiv' ? context.node('Floor', [result]) : result);
}

export type Comparison = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge';
export function compareScalars(context: LowerContext, op: Comparison, a: Scalar, b: Scalar): boolean | SymBool {
  if (op === 'ne') return not(compareScalars(context, 'eq', a, b));
  if (op === 'gt') return compareScalars(context, 'lt', b, a);
  if (op === 'ge') return compareScalars(context, 'le', b, a);
  if (plain(a) && plain(b)) { const [x, y] = isInt(a) && isInt(b) ? [BigInt(a as bigint), BigInt(b as bigint)] : [Number(a), Number(b)]; return op === 'eq' ? x === y : op === 'lt' ? x < y : x <= y; }
  const intLike = (v: Scalar): boolean => typeof v === 'bigint' || v instanceof SymInt;
  if (intLike(a) && intLike(b)) {
    const [x, y] = [context.resolve(asDim(a)), context.resolve(asDim(b))];
    const known = op === 'eq' ? isEqual(x, y) : op === 'lt' ? isLess(x, y) : negate(isLess(y, x));
    return known ?? new SymBool({ kind: 'compare', op, a: x, b: y });
  }
  const bools = (v: Scalar): boolean => typeof v === 'boolean' || v instanceof SymBool;
  const type = bools(a) && bools(b) ? 'int64' : 'float64';
  const opType = op === 'eq' ? 'Equal' : op === 'lt' ? 'Less' : 'LessOrEqual';
  return context.item(context.node(opType, [context.scalar(a, type), context.scalar(b, type)], { dtype: 'bool', shape: [] })) as boolean | SymBool;
}
const negate = (v: boolean | undefined): boolean | undefined => (v === undefined ? undefined : !v);
export function not(v: boolean | SymBool): boolean | SymBool {
  if (typeof v === 'boolean') return !v;
  return v.condition.kind === 'not' ? v.condition.of : new SymBool({ kind: 'not', of: v });
}
export function elementsOf(context: LowerContext, t: TensorValue): readonly Scalar[] | undefined { return context.elementsOf(t); }
