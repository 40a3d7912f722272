import { opFamily } from '../define-op.ts';
import { addDims, floorDivDims, SymInt, subDims, type Dim } from '../../executor/sym-int.ts';
import { ListValue, SymFloat, TensorValue, type Scalar, type Value } from '../../executor/values.ts';
import type { LowerContext } from '../../executor/lower-context.ts';
import type { ScalarType } from '../../scalar-type.ts';

const { ops, defineOp, defineScalarOp } = opFamily('creation');
export const creation = ops;
const fill = (context: LowerContext, size: readonly Dim[], value: Scalar, dtype: ScalarType): TensorValue => {
  const one = context.scalar(value, dtype);
  return new TensorValue({ ...context.expand(context.reshape(one, size.map(() => 1)), size).content, contiguous: true });
};
const typeOf = (v: Scalar): ScalarType => (typeof v === 'boolean' ? 'bool' : typeof v === 'bigint' || v instanceof SymInt ? 'int64' : 'float32');
for (const [name, value] of [['zeros', 0n], ['ones', 1n], ['empty', 0n]] as const) {
  defineOp(`aten::${name}(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor` as 'aten::zeros(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor', (context, { size, dtype }) => fill(context, size, value, dtype ?? 'float32'));
  defineOp(`aten::${name}_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor` as 'aten::zeros_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor', (context, { self, dtype }) => fill(context, self.shape, value, dtype ?? self.dtype));
  defineOp(`aten::new_${name}(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor` as 'aten::new_zeros(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor', (context, { self, size, dtype }) => fill(context, size, value, dtype ?? self.dtype));
}
defineOp('aten::full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor', (context, { size, fill_value, dtype }) => fill(context, size, fill_value, dtype ?? typeOf(fill_value)));
defineOp('aten::full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor', (context, { self, fill_value, dtype }) => fill(context, self.shape, fill_value, dtype ?? self.dtype));
const arange = (context: LowerContext, start: Scalar, end: Scalar, step: Scalar, dtype: ScalarType | null): TensorValue => {
  const float = [start, end, step].some((v) => typeof v === 'number' || v instanceof SymFloat);
  const type = dtype ?? (float ? 'float32' : 'int64');
  const dim = (v: Scalar): Dim => (v instanceof SymInt ? v : Number(v as bigint));
  const ints = !float;
  const size = ints && typeof step === 'bigint' ? floorDivDims(addDims(subDims(dim(end), dim(start)), Number(step) - 1), Number(step)) : !float ? null : typeof start !== 'object' && typeof end !== 'object' && typeof step !== 'object' ? Math.ceil((Number(end) - Number(start)) / Number(step)) : null;
  const held = ints ? 'int64' : 'float64';
  const range = context.node('Range', [context.scalar(start, held), context.scalar(end, held), context.scalar(step, held)], { dtype: held, shape: [size] });
  return context.cast(range, type);
};
defineOp('aten::arange.start_step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor', (context, { start, end, step, dtype }) => arange(context, start, end, step, dtype));
defineOp('aten::arange(Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor', (context, { end, dtype }) => arange(context, 0n, end, 1n, dtype));
defineOp('aten::arange.traced(Scalar end, ScalarType? dtype, Layout? layout, Device? device, bool? pin_memory) -> Tensor', (context, { end, dtype }) => arange(context, 0n, end, 1n, dtype));
defineOp('aten::to.dtype(Tensor self, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor', (context, { self, dtype }) => context.cast(self, dtype));
defineOp('aten::to.dtype_layout(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor', (context, { self, dtype }) => context.cast(self, dtype ?? self.dtype));
defineOp('aten::to.device(Tensor self, Device device, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor', (context, { self, dtype }) => context.cast(self, dtype));
defineOp('aten::to.prim_Device(Tensor self, Device? device, ScalarType? dtype=None, bool non_blocking=False, bool copy=False) -> Tensor', (context, { self, dtype }) => context.cast(self, dtype ?? self.dtype));
defineOp('aten::to.other(Tensor self, Tensor other, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor', (context, { self, other }) => context.cast(self, other.dtype));
defineOp('aten::type_as(Tensor self, Tensor other) -> Tensor', (context, { self, other }) => context.cast(self, other.dtype));
for (const n of ['contiguous', 'clone', 'detach', 'alias', 'lift_fresh'] as const) defineOp(`aten::${n}(Tensor self, *, MemoryFormat memory_format=0) -> Tensor` as 'aten::contiguous(Tensor self, *, MemoryFormat memory_format=0) -> Tensor', (_, { self }) => (n === 'clone' || (n === 'contiguous' && !self.content.contiguous) ? new TensorValue({ ...self.content, contiguous: true }) : self));
defineOp('aten::tensor(Any data, *, ScalarType? dtype=None, Device? device=None, bool requires_grad=False) -> Tensor', (context, { data, dtype }) => {
  const shape: number[] = []; const flat: Scalar[] = [];
  const walk = (v: Value, depth: number): void => { if (v instanceof ListValue) { shape[depth] = v.items.length; v.items.forEach((i) => { walk(i, depth + 1); }); } else flat.push(v as Scalar); };
  walk(data, 0);
  return context.elements(flat.map((v) => v), dtype ?? typeOf(flat[0] ?? 0), shape);
});
defineScalarOp('aten::_unused(Any a) -> Any', (_, { a }) => a);
