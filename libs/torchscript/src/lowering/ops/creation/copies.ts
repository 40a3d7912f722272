import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { convertComplex, isComplex } from '../../complex.ts';
import { copyOf, withContiguity } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';

const { ops, defineOp } = opFamily('creation');

/** Copies and conversions. In-place changes depend on which of them return the tensor itself and which return a copy. */
export const copies = ops;

/** PyTorch's numbers of memory formats. */
const CONTIGUOUS = 0;
const PRESERVE = 1;

function to(context: LowerContext, self: TensorValue, dtype: ScalarType, copy: boolean): TensorValue {
  if (dtype !== self.dtype && (isComplex(dtype) || isComplex(self.dtype))) return convertComplex(context, self, dtype);
  if (dtype !== self.dtype) return withContiguity(context.cast(self, dtype), self.content.contiguous);
  return copy ? withContiguity(copyOf(self), self.content.contiguous) : self;
}

defineOp(
  'aten::to.dtype(Tensor(a) self, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)',
  (context, { self, dtype, copy }) => to(context, self, dtype, copy),
);
defineOp(
  'aten::to.device(Tensor(a) self, Device device, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)',
  (context, { self, dtype, copy }) => to(context, self, dtype, copy),
);
defineOp(
  'aten::to.other(Tensor(a) self, Tensor other, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)',
  (context, { self, other, copy }) => to(context, self, other.dtype, copy),
);
defineOp(
  'aten::to.dtype_layout(Tensor(a) self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)',
  (context, { self, dtype, copy }) => to(context, self, dtype ?? self.dtype, copy),
);
defineOp(
  'aten::to.prim_Device(Tensor(a) self, Device? device, ScalarType? dtype=None, bool non_blocking=False, bool copy=False) -> Tensor(a)',
  (context, { self, dtype, copy }) => to(context, self, dtype ?? self.dtype, copy),
);
defineOp(
  'aten::to.prim_dtype(Tensor(a) self, ScalarType? dtype=None, bool non_blocking=False, bool copy=False) -> Tensor(a)',
  (context, { self, dtype, copy }) => to(context, self, dtype ?? self.dtype, copy),
);
defineOp(
  'aten::_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor',
  (context, { self, dtype }) => to(context, self, dtype ?? self.dtype, true),
);
defineOp('aten::type_as(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  to(context, self, other.dtype, false),
);
defineOp('aten::cpu(Tensor(a) self) -> Tensor(a)', (_, { self }) => self);
defineOp('aten::cuda(Tensor(a) self) -> Tensor(a)', (_, { self }) => self);

defineOp('aten::clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor', (_, { self, memory_format }) =>
  withContiguity(copyOf(self), self.content.contiguous || memory_format === CONTIGUOUS),
);
defineOp(
  'aten::contiguous(Tensor(a) self, *, MemoryFormat memory_format=contiguous_format) -> Tensor(a)',
  (_, { self, memory_format }) => {
    const other = memory_format !== CONTIGUOUS && memory_format !== PRESERVE;
    return self.content.contiguous && !other ? self : withContiguity(copyOf(self), !other);
  },
);
defineOp('aten::detach(Tensor(a) self) -> Tensor(a)', (_, { self }) => self);
defineOp('aten::alias(Tensor(a) self) -> Tensor(a)', (_, { self }) => self);
defineOp('aten::lift_fresh(Tensor(a) self) -> Tensor(a)', (_, { self }) => self);
defineOp('aten::lift(Tensor self) -> Tensor', (_, { self }) => self);
defineOp('aten::resolve_conj(Tensor(a) self) -> Tensor(a)', (_, { self }) => self);
defineOp('aten::resolve_neg(Tensor(a) self) -> Tensor(a)', (_, { self }) => self);
defineOp('aten::requires_grad_(Tensor(a!) self, bool requires_grad=True) -> Tensor(a!)', (_, { self }) => self);
defineOp('aten::pin_memory(Tensor(a) self, Device? device=None) -> Tensor(a)', (_, { self }) => self);
