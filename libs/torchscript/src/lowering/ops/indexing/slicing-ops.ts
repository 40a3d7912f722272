import { opFamily } from '../../define-op.ts';
import { readSelect, selectView, sliceBounds, sliceView, writeSelect, writeSlice } from '../../slicing.ts';

const { ops, defineOp } = opFamily('indexing');

/** Slices and single elements along an axis. */
export const slicingOps = ops;

defineOp(
  // PyTorch declares the step as SymInt. A step known only at run time is refused.
  'aten::slice.Tensor(Tensor(a) self, int dim=0, SymInt? start=None, SymInt? end=None, int step=1) -> Tensor(a)',
  (context, { self, dim, start, end, step }) => {
    if (self.rank === 0) return context.unsupported('a slice of a 0-d tensor', 'check the ranks of the inputs');
    return sliceView(context, self, sliceBounds(context.axis(dim, self.rank), start, end, step));
  },
);

defineOp('aten::select.int(Tensor(a) self, int dim, SymInt index) -> Tensor(a)', (context, { self, dim, index }) => {
  if (self.rank === 0) return context.unsupported('an index into a 0-d tensor', 'check the ranks of the inputs');
  return selectView(context, self, context.axis(dim, self.rank), index);
});

defineOp(
  'aten::select_scatter(Tensor self, Tensor src, int dim, SymInt index) -> Tensor',
  (context, { self, src, dim, index }) => {
    const axis = context.axis(dim, self.rank);
    const place = readSelect(context, self, axis, index);
    const updated = context.expand(context.cast(src, self.dtype), place.content.shape);
    return writeSelect(context, self, axis, index, updated);
  },
);

defineOp(
  'aten::slice_scatter(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? end=None, int step=1) -> Tensor',
  (context, { self, src, dim, start, end, step }) => {
    const bounds = sliceBounds(context.axis(dim, self.rank), start, end, step);
    return writeSlice(context, self, bounds, context.cast(src, self.dtype));
  },
);
