import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { Dim } from '../../../symbolic/sym-int.ts';
import type { Scalar, TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { isComplex, joinParts, partType } from '../../complex.ts';
import { withContiguity } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { scalarType } from '../../promotion.ts';

const { ops, defineOp } = opFamily('creation');

/** Tensors whose elements all have one value. */
export const filling = ops;

/** A tensor of the shape `size` filled with `value`. */
export function filled(context: LowerContext, size: readonly Dim[], value: Scalar, dtype: ScalarType): TensorValue {
  if (isComplex(dtype)) {
    const part = partType(dtype);
    return joinParts(context, { re: filled(context, size, value, part), im: filled(context, size, 0, part) });
  }
  const one = context.reshape(
    context.scalar(value, dtype),
    size.map(() => 1),
  );
  return withContiguity(context.expand(one, size), true);
}

defineOp(
  'aten::zeros(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { size, dtype }) => filled(context, size, 0n, dtype ?? 'float32'),
);
defineOp(
  'aten::ones(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { size, dtype }) => filled(context, size, 1n, dtype ?? 'float32'),
);
// The elements of an uninitialized tensor are not defined, so zeros are correct.
defineOp(
  'aten::empty.memory_format(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor',
  (context, { size, dtype }) => filled(context, size, 0n, dtype ?? 'float32'),
);
defineOp(
  'aten::full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { size, fill_value, dtype }) => filled(context, size, fill_value, dtype ?? scalarType(fill_value)),
);
defineOp(
  'aten::zeros_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor',
  (context, { self, dtype }) => filled(context, self.shape, 0n, dtype ?? self.dtype),
);
defineOp(
  'aten::ones_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor',
  (context, { self, dtype }) => filled(context, self.shape, 1n, dtype ?? self.dtype),
);
defineOp(
  'aten::empty_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor',
  (context, { self, dtype }) => filled(context, self.shape, 0n, dtype ?? self.dtype),
);
defineOp(
  'aten::full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor',
  (context, { self, fill_value, dtype }) => filled(context, self.shape, fill_value, dtype ?? self.dtype),
);
defineOp(
  'aten::new_zeros(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { self, size, dtype }) => filled(context, size, 0n, dtype ?? self.dtype),
);
defineOp(
  'aten::new_ones(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { self, size, dtype }) => filled(context, size, 1n, dtype ?? self.dtype),
);
defineOp(
  'aten::new_empty(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { self, size, dtype }) => filled(context, size, 0n, dtype ?? self.dtype),
);
defineOp(
  'aten::new_full(Tensor self, SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { self, size, fill_value, dtype }) => filled(context, size, fill_value, dtype ?? self.dtype),
);

/** Fills a tensor in place. PyTorch has no out-of-place variant from which it could be derived. */
function fillInPlace(context: LowerContext, self: TensorValue, value: TensorValue): TensorValue {
  const wide = context.expand(context.cast(value, self.dtype), self.shape);
  context.heap.setTensor(self, { ...wide.content, contiguous: self.content.contiguous });
  return self;
}

defineOp('aten::fill_.Scalar(Tensor(a!) self, Scalar value) -> Tensor(a!)', (context, { self, value }) =>
  fillInPlace(context, self, context.scalar(value, self.dtype)),
);
defineOp('aten::fill_.Tensor(Tensor(a!) self, Tensor value) -> Tensor(a!)', (context, { self, value }) =>
  fillInPlace(context, self, value),
);
defineOp('aten::fill.Scalar(Tensor self, Scalar value) -> Tensor', (context, { self, value }) =>
  filled(context, self.shape, value, self.dtype),
);
defineOp('aten::zero_(Tensor(a!) self) -> Tensor(a!)', (context, { self }) =>
  fillInPlace(context, self, context.scalar(0n, self.dtype)),
);
defineOp('aten::copy_(Tensor(a!) self, Tensor src, bool non_blocking=False) -> Tensor(a!)', (context, { self, src }) =>
  fillInPlace(context, self, src),
);
