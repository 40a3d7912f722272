import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { Dim } from '../../../symbolic/sym-int.ts';
import type { Column, ListValue, Scalar, TensorValue } from '../../../symbolic/values.ts';
import { int } from '../../attributes.ts';
import { binary } from '../../arithmetic.ts';
import { exclusiveSums, joinedRows, ownerOfElement, rankOf } from '../../columns.ts';
import { opFamily } from '../../define-op.ts';
import { rangeOf, toDim } from '../../dims.ts';
import { grownOf } from '../../grown-items.ts';
import { positions } from '../../positions.ts';
import { scatterSlices } from '../../scatter.ts';

const { ops, defineScalarOp } = opFamily('recurrent');

/** `pad_sequence` of a list of unknown length. */
export const padList = ops;

defineScalarOp(
  'aten::pad_sequence.unknown(List(t) sequences, bool batch_first=False, float padding_value=0.0, str padding_side="right") -> Tensor',
  (context, { sequences, batch_first, padding_value, padding_side }) => {
    const [column] = grownOf(context, sequences as ListValue).columns;
    if (column === undefined) return undefined;
    const padded =
      column.sizes === undefined
        ? column.data
        : paddedRows(context, column, { value: padding_value as Scalar, left: padding_side === 'left' });
    if (batch_first === true) return padded;
    return context.transpose(padded, [1, 0, ...rangeOf(padded.rank).slice(2)]);
  },
);

/** The rows of all tensors as [count, longest, ...features]. */
function paddedRows(
  context: LowerContext,
  column: Column,
  { value, left }: { readonly value: Scalar; readonly left: boolean },
): TensorValue {
  const sizes = column.sizes as TensorValue;
  const count = sizes.content.shape[0] ?? 0;
  const lengths = context.reshape(context.slice(sizes, 1, 0, 1), [count]);
  const rows = joinedRows(context, column);
  const [total = 0, ...features] = rows.content.shape;
  const longest = largest(context, lengths);
  const begins = exclusiveSums(context, lengths);
  const owner = ownerOfElement(context, begins, total);
  const take = (from: TensorValue): TensorValue =>
    context.node('Gather', [from, owner], { shape: [total], attributes: { axis: int(0) } });
  const offset = binary(context, 'Sub', positions(context, total), take(begins));
  const missing = (): TensorValue =>
    binary(context, 'Sub', context.expand(context.ints([longest]), [total]), take(lengths));
  const places = [owner, left ? binary(context, 'Add', offset, missing()) : offset];
  const indices = context.node(
    'Concat',
    places.map((place) => context.reshape(place, [total, 1])),
    { shape: [total, 2], attributes: { axis: int(1) } },
  );
  const one = context.reshape(
    context.scalar(value, column.data.dtype),
    Array.from({ length: rankOf(column) + 1 }, () => 1),
  );
  return scatterSlices(context, context.expand(one, [count, longest, ...features]), indices, rows);
}

function largest(context: LowerContext, lengths: TensorValue): Dim {
  const zero = context.elements([0n], 'int64', [1]);
  const all = context.node('Concat', [lengths, zero], { shape: [null], attributes: { axis: int(0) } });
  const most = context.node('ReduceMax', [all, context.ints([0])], { shape: [], attributes: { keepdims: int(0) } });
  return toDim(context.item(most)) ?? 0;
}
