import { opFamily } from '../define-op.ts';
import { arithmetic, asDim, compareScalars, fromDim, not, type Comparison } from '../scalar-math.ts';
import { SCALAR_TYPES } from '../../scalar-type.ts';
import { SymInt } from '../../executor/sym-int.ts';
import { DictValue, isTuple, ListValue, SymBool, SymFloat, TensorValue, type Scalar, type Value } from '../../executor/values.ts';

const { ops, defineScalarOp } = opFamily('scalar');
export const scalar = ops;

for (const [name, op] of [['add', 'add'], ['sub', 'sub'], ['mul', 'mul'], ['floordiv', 'floordiv'], ['remainder', 'mod'], ['mod', 'mod'], ['pow', 'pow']] as const) {
  defineScalarOp(`aten::${name}.Number(Scalar a, Scalar b) -> Scalar`, (context, { a, b }) => arithmetic(context, op, a as Scalar, b as Scalar));
}
defineScalarOp('aten::div.Number(Scalar a, Scalar b) -> float', (context, { a, b }) => arithmetic(context, 'div', a as Scalar, b as Scalar));
for (const op of ['min', 'max'] as const) {
  defineScalarOp(`prim::${op}.Number(Scalar a, Scalar b) -> Scalar`, (context, { a, b }) => arithmetic(context, op, a as Scalar, b as Scalar));
  defineScalarOp(`prim::${op}.list(Scalar[] self) -> Scalar`, (context, { self }) => (self as ListValue).items.reduce((x, y) => arithmetic(context, op, x as Scalar, y as Scalar)));
}
defineScalarOp('aten::neg.Number(Scalar a) -> Scalar', (context, { a }) => arithmetic(context, 'sub', typeof a === 'number' ? 0 : 0n, a as Scalar));
const same = (a: Value | undefined, b: Value | undefined): boolean => {
  if (a instanceof ListValue && b instanceof ListValue) return a.items.length === b.items.length && a.items.every((x, i) => same(x, b.items[i]));
  if (a instanceof SymInt && b instanceof SymInt) return a.key === b.key;
  if (a && b && typeof a === 'object' && typeof b === 'object' && 'kind' in a && 'kind' in b && a.kind === 'device' && b.kind === 'device') return a.device === b.device;
  if (a && b && typeof a === 'object' && typeof b === 'object' && 'kind' in a && 'kind' in b && a.kind === 'enum' && b.kind === 'enum') return a.className === b.className && a.name === b.name;
  return a === b;
};
for (const op of ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const satisfies readonly Comparison[]) {
  defineScalarOp(`aten::${op}.Number(Scalar a, Scalar b) -> bool`, (context, { a, b }) => compareScalars(context, op, a as Scalar, b as Scalar));
  defineScalarOp(`aten::${op}.str(str a, str b) -> bool`, (_, { a, b }) => { const [x, y] = [a as string, b as string]; return { eq: x === y, ne: x !== y, lt: x < y, le: x <= y, gt: x > y, ge: x >= y }[op]; });
}
defineScalarOp('aten::eq.any(t[] a, t[] b) -> bool', (_, { a, b }) => same(a, b));
defineScalarOp('aten::ne.any(t[] a, t[] b) -> bool', (_, { a, b }) => !same(a, b));
defineScalarOp('aten::eq.device(Device a, Device b) -> bool', (_, { a, b }) => same(a, b));
defineScalarOp('aten::ne.device(Device a, Device b) -> bool', (_, { a, b }) => !same(a, b));
defineScalarOp('aten::__is__(Any a, Any b) -> bool', (_, { a, b }) => same(a, b));
defineScalarOp('aten::__isnot__(Any a, Any b) -> bool', (_, { a, b }) => !same(a, b));
defineScalarOp('aten::__not__(bool self) -> bool', (_, { self }) => not(self as boolean));
defineScalarOp('aten::__and__.bool(bool a, bool b) -> bool', (context, { a, b }) => (typeof a === 'boolean' ? (a ? b : false) : typeof b === 'boolean' ? (b ? a : false) : context.item(context.node('And', [context.scalar(a as Scalar, 'bool'), context.scalar(b as Scalar, 'bool')]))));
defineScalarOp('aten::__or__.bool(bool a, bool b) -> bool', (context, { a, b }) => (typeof a === 'boolean' ? (a ? true : b) : typeof b === 'boolean' ? (b ? true : a) : context.item(context.node('Or', [context.scalar(a as Scalar, 'bool'), context.scalar(b as Scalar, 'bool')]))));
defineScalarOp('aten::Int(Any a) -> int', (context, { a }) => {
  const v = a instanceof TensorValue ? context.item(a) : (a as Scalar | string);
  if (typeof v === 'string') return BigInt(v);
  if (v instanceof SymInt || typeof v === 'bigint') return v;
  if (typeof v === 'object') return context.item(context.cast(context.scalar(v, v instanceof SymBool ? 'bool' : 'float64'), 'int64'));
  return BigInt(Math.trunc(Number(v)));
});
defineScalarOp('aten::Float(Any a) -> float', (context, { a }) => {
  const v = a instanceof TensorValue ? context.item(a) : (a as Scalar | string);
  if (v instanceof SymFloat) return v;
  if (typeof v === 'object') return context.item(context.scalar(v, 'float64'));
  return Number(v);
});
defineScalarOp('aten::Bool(Any a) -> bool', (context, { a }) => {
  const v = a instanceof TensorValue ? context.item(a) : (a as Scalar);
  if (typeof v === 'boolean' || v instanceof SymBool) return v;
  return compareScalars(context, 'ne', v, 0n);
});
defineScalarOp('aten::str(Any a) -> str', (_, { a }) => (typeof a === 'object' && a !== null ? '?' : String(a)));
for (const name of ['ScalarImplicit', 'IntImplicit', 'FloatImplicit', 'item']) defineScalarOp(`aten::${name}(Tensor a) -> Scalar`, (context, { a }) => context.item(a as TensorValue));
defineScalarOp('prim::NumToTensor(Scalar a) -> Tensor', (context, { a }) => context.scalar(a as Scalar, typeof a === 'number' || a instanceof SymFloat ? 'float32' : typeof a === 'boolean' || a instanceof SymBool ? 'bool' : 'int64'));
defineScalarOp('aten::size.int(Tensor self, int dim) -> int', (context, { self, dim }) => fromDim(context.resolve((self as TensorValue).shape.at(Number(dim)) ?? 1)));
defineScalarOp('aten::size(Tensor self) -> int[]', (context, { self }) => (self as TensorValue).shape.map((d) => fromDim(context.resolve(d))));
defineScalarOp('prim::shape(Tensor self) -> int[]', (context, { self }) => (self as TensorValue).shape.map((d) => fromDim(context.resolve(d))));
defineScalarOp('aten::dim(Tensor self) -> int', (_, { self }) => BigInt((self as TensorValue).rank));
defineScalarOp('prim::ndim(Tensor self) -> int', (_, { self }) => BigInt((self as TensorValue).rank));
defineScalarOp('aten::numel(Tensor self) -> int', (context, { self }) => (self as TensorValue).shape.reduce<Scalar>((p, d) => arithmetic(context, 'mul', p, fromDim(context.resolve(d))), 1n));
defineScalarOp('aten::len.stacked(Tensor a) -> int', (context, { a }) => fromDim(context.resolve((a as TensorValue).shape[0] ?? 0)));
defineScalarOp('aten::len(Any a) -> int', (context, { a }) => {
  if (a instanceof TensorValue) return fromDim(context.resolve(a.shape[0] ?? 0));
  if (typeof a === 'string') return BigInt(a.length);
  if (a instanceof ListValue) return BigInt(a.items.length);
  if (a instanceof DictValue) return BigInt(a.entries.length);
  return isTuple(a) ? BigInt(a.items.length) : context.unsupported('len');
});
defineScalarOp('aten::append(t[] self, t el) -> t[]', (context, { self, el }) => { context.heap.append(self as ListValue, el ?? null); return self; });
defineScalarOp('aten::__getitem__.t(t[] list, int idx) -> t', (context, { list, idx }) => (list as ListValue).pieces?.item(asDim(idx as Scalar)) ?? (list as ListValue).items.at(Number(asDim(idx as Scalar))) ?? context.unsupported('index'));
defineScalarOp('aten::__getitem__.dict(Dict(str, t) self, Any key) -> t', (context, { self, key }) => (self as DictValue).entries.find(([k]) => same(k, key))?.[1] ?? context.unsupported('key'));
defineScalarOp('aten::__contains__.dict(Dict(str, t) self, Any key) -> bool', (_, { self, key }) => (self as DictValue).entries.some(([k]) => same(k, key)));
defineScalarOp('aten::__contains__.list(t[] self, Any key) -> bool', (_, { self, key }) => (self as ListValue).items.some((k) => same(k, key)));
defineScalarOp('aten::_set_item.t(t[] l, int idx, Any el) -> t[]', (context, { l, idx, el }) => { const items = [...(l as ListValue).items]; const i = Number(idx); items[i < 0 ? i + items.length : i] = el ?? null; context.heap.setItems(l as ListValue, items); return l; });
defineScalarOp('aten::format(str self, Any a=None, Any b=None, Any c=None, Any d=None, Any e=None, Any f=None) -> str', (_, { self }) => self);
defineScalarOp('aten::device(Any a) -> Device', () => ({ kind: 'device', device: 'cpu' }));
defineScalarOp('prim::device(Any a) -> Device', () => ({ kind: 'device', device: 'cpu' }));
defineScalarOp('prim::dtype(Tensor a) -> int', (_, { a }) => BigInt(SCALAR_TYPES.indexOf((a as TensorValue).dtype)));
for (const name of ['is_cuda', 'is_nested', 'is_quantized', 'requires_grad', 'is_sparse']) defineScalarOp(`prim::${name}(Tensor a) -> bool`, () => false);
defineScalarOp('aten::is_grad_enabled() -> bool', () => false);
defineScalarOp('aten::is_floating_point(Tensor self) -> bool', (_, { self }) => /float/.test((self as TensorValue).dtype));
defineScalarOp('aten::slice.t(t[] l, int? start=None, int? end=None, int step=1) -> t[]', (_, { l, start, end }) => (l as ListValue).items.slice(start === null ? undefined : Number(start), end === null ? undefined : Number(end)));
defineScalarOp('aten::add.t(t[] a, t[] b) -> t[]', (_, { a, b }) => [...(a as ListValue).items, ...(b as ListValue).items]);
defineScalarOp('aten::mul.left_t(t[] l, int n) -> t[]', (_, { l, n }) => Array.from({ length: Number(n) }, () => (l as ListValue).items).flat());
for (const [n, f] of [['sqrt', Math.sqrt], ['exp', Math.exp], ['log', Math.log]] as const) defineScalarOp(`aten::${n}.Scalar(Scalar a) -> Scalar`, (context, { a }) => (typeof a === 'object' ? context.item(context.node(n[0]?.toUpperCase() + n.slice(1), [context.scalar(a as Scalar, 'float64')])) : f(Number(a))));
for (const [n, f] of [['floor', Math.floor], ['ceil', Math.ceil]] as const) defineScalarOp(`aten::${n}.Scalar(Scalar a) -> int`, (context, { a }) => (a instanceof SymInt || typeof a === 'bigint' ? a : typeof a === 'object' ? context.item(context.cast(context.node(n === 'floor' ? 'Floor' : 'Ceil', [context.scalar(a as Scalar, 'float64')]), 'int64')) : BigInt(f(Number(a)))));
