import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { opFamily } from '../../define-op.ts';
import { swapped } from './permuting.ts';
import { squeezed, unsqueezed } from './reshaping.ts';

const { ops, defineOp } = opFamily('shape');

/** In-place operators that change the axes of a tensor. All other in-place operators keep the shape. */
export const inPlaceShapes = ops;

const LIMITS = { limits: 'views of other tensors are refused' };

/** Replaces the content of a tensor by one of its views. */
function replaceContent(context: LowerContext, self: TensorValue, view: TensorValue): TensorValue {
  if (self.view !== undefined) {
    return context.unsupported('changing the axes of a view in place', 'use the operator without the underscore');
  }
  context.heap.setTensor(self, view.content);
  return self;
}

defineOp(
  'aten::squeeze_(Tensor(a!) self) -> Tensor(a!)',
  (context, { self }) => replaceContent(context, self, squeezed(context, self, null)),
  LIMITS,
);
defineOp(
  'aten::squeeze_.dim(Tensor(a!) self, int dim) -> Tensor(a!)',
  (context, { self, dim }) => replaceContent(context, self, squeezed(context, self, [dim])),
  LIMITS,
);
defineOp(
  'aten::squeeze_.dims(Tensor(a!) self, int[] dim) -> Tensor(a!)',
  (context, { self, dim }) => replaceContent(context, self, squeezed(context, self, dim)),
  LIMITS,
);
defineOp(
  'aten::unsqueeze_(Tensor(a!) self, int dim) -> Tensor(a!)',
  (context, { self, dim }) => replaceContent(context, self, unsqueezed(context, self, dim)),
  LIMITS,
);
for (const name of ['transpose_', 'swapdims_'] as const) {
  defineOp(
    `aten::${name}(Tensor(a!) self, int dim0, int dim1) -> Tensor(a!)`,
    (context, { self, dim0, dim1 }) => replaceContent(context, self, swapped(context, self, dim0, dim1)),
    LIMITS,
  );
}
defineOp(
  'aten::swapaxes_(Tensor(a!) self, int axis0, int axis1) -> Tensor(a!)',
  (context, { self, axis0, axis1 }) => replaceContent(context, self, swapped(context, self, axis0, axis1)),
  LIMITS,
);
defineOp(
  'aten::t_(Tensor(a!) self) -> Tensor(a!)',
  (context, { self }) => (self.rank < 2 ? self : replaceContent(context, self, swapped(context, self, 0, 1))),
  LIMITS,
);
