import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, mulDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { Column, ListValue, TensorValue, Value } from '../../../symbolic/values.ts';
import { int } from '../../attributes.ts';
import { joinedRows, rankOf, stackOf } from '../../columns.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { knownDim, rangeOf } from '../../dims.ts';
import { grownOf } from '../../grown-items.ts';
import { promoteTypes } from '../../promotion.ts';
import { atLeast } from './reshaping.ts';

const { ops, defineOp, defineScalarOp } = opFamily('shape');

/** Operators that join tensors. */
export const joining = ops;

/** At most this many elements stay known when tensors are joined. */
const MAX_KNOWN = 64;

/** Joins tensors along an axis, in the dtype to which they promote. */
export function concatenate(context: LowerContext, tensors: readonly TensorValue[], dim: number): TensorValue {
  // PyTorch ignores empty vectors, whatever the rank of the other tensors is.
  const isEmptyVector = (tensor: TensorValue): boolean => tensor.rank === 1 && tensor.content.shape[0] === 0;
  const dtype = tensors.map((tensor) => tensor.dtype).reduce(promoteTypes, tensors[0]?.dtype ?? 'float32');
  const full = tensors.filter((tensor) => !isEmptyVector(tensor));
  const parts = (full.length === 0 ? tensors.slice(0, 1) : full).map((tensor) => context.cast(tensor, dtype));
  const [first] = parts;
  if (first === undefined) return context.unsupported('cat() of an empty list', 'at least one tensor must be joined');
  const { rank } = first;
  if (rank === 0 || parts.some((part) => part.rank !== rank)) {
    const ranks = parts.map((part) => part.rank).join(', ');
    return context.unsupported(`cat() of tensors of ranks ${ranks}`, 'check the ranks of the inputs');
  }
  const axis = context.axis(dim, rank);
  if (parts.length === 1) return copyOf(first);
  const known = parts.map((part) => (rank === 1 ? context.elementsOf(part) : undefined));
  if (known.every((elements) => elements !== undefined)) {
    const elements = known.flat();
    if (elements.length <= MAX_KNOWN) return context.elements(elements, dtype, [elements.length]);
  }
  const shape = first.content.shape.map((_, i) => {
    const dims = parts.map((part) => part.content.shape[i] ?? 1);
    if (i === axis) return dims.reduce<Dim>(addDims, 0);
    const size = knownDim(...dims);
    for (const dim of dims) context.require(dim, size);
    return size;
  });
  return context.node('Concat', parts, { dtype, shape, attributes: { axis: int(axis) }, adapt: false });
}

/** Joins tensors of one shape along a new axis. */
export function stacked(context: LowerContext, tensors: readonly TensorValue[], dim: number): TensorValue {
  const rank = (tensors[0]?.rank ?? 0) + 1;
  const axis = context.axis(dim, rank);
  const wider = tensors.map((tensor) => context.reshape(tensor, tensor.content.shape.toSpliced(axis, 0, 1)));
  return concatenate(context, wider, axis);
}

for (const name of ['cat', 'concat', 'concatenate'] as const) {
  defineOp(`aten::${name}(Tensor[] tensors, int dim=0) -> Tensor`, (context, { tensors, dim }) =>
    concatenate(context, tensors, dim),
  );
  defineScalarOp(`aten::${name}.unknown(List(t) tensors, int dim=0) -> Tensor`, (context, { tensors, dim }) =>
    joinedAlong(context, columnOfTensors(context, tensors), Number(dim)),
  );
}

/** The tensors of a list of unknown length. */
function columnOfTensors(context: LowerContext, list: Value | undefined): Column {
  const { form, columns } = grownOf(context, list as ListValue);
  const [column] = columns;
  if (form.kind !== 'tensor' || column === undefined) {
    return context.unsupported(
      `a list of items of type ${form.kind} where a list of tensors is needed`,
      'PyTorch fails here too',
    );
  }
  return column;
}

/** Joins the tensors of a column along one of their axes. */
function joinedAlong(context: LowerContext, column: Column, dim: number): TensorValue {
  const axis = context.axis(dim, rankOf(column));
  if (axis === 0) return joinedRows(context, column);
  const tensors = stackOf(context, column);
  const [count = 1, ...shape] = tensors.content.shape;
  const moved = context.transpose(tensors, movedFirst(tensors.rank, axis));
  return context.reshape(moved, shape.with(axis, mulDims(count, shape[axis] ?? 1)));
}

/** The permutation that moves axis 0 to position `axis`. */
function movedFirst(rank: number, axis: number): number[] {
  return rangeOf(rank).slice(1).toSpliced(axis, 0, 0);
}

defineOp('aten::stack(Tensor[] tensors, int dim=0) -> Tensor', (context, { tensors, dim }) =>
  stacked(context, tensors, dim),
);
defineScalarOp('aten::stack.unknown(List(t) tensors, int dim=0) -> Tensor', (context, { tensors, dim }) => {
  const whole = stackOf(context, columnOfTensors(context, tensors));
  return copyOf(context.transpose(whole, movedFirst(whole.rank, context.axis(Number(dim), whole.rank))));
});

defineOp('aten::hstack(Tensor[] tensors) -> Tensor', (context, { tensors }) => {
  const parts = tensors.map((tensor) => atLeast(context, tensor, 1));
  return concatenate(context, parts, parts[0]?.rank === 1 ? 0 : 1);
});
for (const name of ['vstack', 'row_stack'] as const) {
  defineOp(`aten::${name}(Tensor[] tensors) -> Tensor`, (context, { tensors }) =>
    concatenate(
      context,
      tensors.map((tensor) => atLeast(context, tensor, 2)),
      0,
    ),
  );
}
defineOp('aten::dstack(Tensor[] tensors) -> Tensor', (context, { tensors }) =>
  concatenate(
    context,
    tensors.map((tensor) => atLeast(context, tensor, 3)),
    2,
  ),
);
defineOp('aten::column_stack(Tensor[] tensors) -> Tensor', (context, { tensors }) =>
  concatenate(
    context,
    tensors.map((tensor) => (tensor.rank > 1 ? tensor : context.reshape(tensor, [tensor.content.shape[0] ?? 1, 1]))),
    1,
  ),
);

for (const [name, rank, axes] of [
  ['hstack', 1, [0, 0, 1]],
  ['vstack', 2, [0, 0, 0]],
  ['row_stack', 2, [0, 0, 0]],
  ['dstack', 3, [2, 2, 2]],
] as const) {
  defineScalarOp(`aten::${name}.unknown(List(t) tensors) -> Tensor`, (context, { tensors }) => {
    const column = columnOfTensors(context, tensors);
    if (rankOf(column) >= rank) return joinedAlong(context, column, axes[rankOf(column)] ?? axes[2]);
    if (name === 'hstack' || name === 'dstack') {
      return context.unsupported(
        `${name}() of a list of unknown length with tensors of rank ${rankOf(column)}`,
        'use torch.stack or torch.cat',
      );
    }
    return atLeast(context, stackOf(context, column), 2);
  });
}

defineOp('aten::block_diag(Tensor[] tensors) -> Tensor', (context, { tensors }) => {
  const blocks = tensors.map((tensor) => atLeast(context, tensor, 2));
  const dtype = blocks.map((block) => block.dtype).reduce(promoteTypes, blocks[0]?.dtype ?? 'float32');
  const widths = blocks.map((block) => block.content.shape[1] ?? 1);
  const width = widths.reduce<Dim>(addDims, 0);
  const rows = blocks.map((block, i) => {
    const height = block.content.shape[0] ?? 1;
    const zeros = (count: Dim): TensorValue[] =>
      count === 0 ? [] : [context.expand(context.scalar(0n, dtype), [height, count])];
    const before = widths.slice(0, i).reduce<Dim>(addDims, 0);
    const after = widths.slice(i + 1).reduce<Dim>(addDims, 0);
    const parts = [...zeros(before), context.cast(block, dtype), ...zeros(after)];
    return context.node('Concat', parts, { dtype, shape: [height, width], attributes: { axis: int(1) }, adapt: false });
  });
  return concatenate(context, rows, 0);
});
