import { lengthOf } from '../../../symbolic/grown-list.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { minDims, mulDims, type Dim } from '../../../symbolic/sym-int.ts';
import {
  ListValue,
  SymStr,
  type GrownItems,
  type ItemForm,
  type Scalar,
  type SymBool,
  type TensorValue,
  type Value,
} from '../../../symbolic/values.ts';
import { int } from '../../attributes.ts';
import { binary, compare } from '../../arithmetic.ts';
import { countOf, mapColumns, takeLeaves } from '../../columns.ts';
import { toDim, toScalar } from '../../dims.ts';
import { guardEmpty } from '../../empty-guard.ts';
import { grownOf, takeItem } from '../../grown-items.ts';
import { positions } from '../../positions.ts';
import { combine, compareScalars, fromDim, not } from '../../scalar-math.ts';
import { scalarFamily } from './scalar-family.ts';

const { ops, defineScalarOp } = scalarFamily();

/** Operators on lists of numbers whose length is known only at run time. */
export const listNumbers = ops;

/** The numbers of a list as a tensor [count]. Refuses lists of other items. */
function numbersOf(context: LowerContext, list: Value | undefined): TensorValue {
  const { form, columns } = grownOf(context, list as ListValue);
  const [column] = columns;
  if (column === undefined || !['int', 'float', 'bool', 'str'].includes(form.kind) || column.sizes !== undefined) {
    return context.unsupported(
      `a list of unknown length with items of type ${form.kind} where a list of numbers is needed`,
      'keep the items in a tensor and use the operator of torch',
    );
  }
  return column.data;
}

function reduced(context: LowerContext, opType: string, values: TensorValue): TensorValue {
  return context.node(opType, [values, context.ints([0])], { shape: [], attributes: { keepdims: int(0) } });
}

defineScalarOp('aten::sum.unknown(List(t) self) -> int', (context, { self }) =>
  context.item(reduced(context, 'ReduceSum', numbersOf(context, self))),
);
for (const [name, opType] of [
  ['max', 'ReduceMax'],
  ['min', 'ReduceMin'],
] as const) {
  defineScalarOp(`prim::${name}.unknown(List(t) self) -> Scalar`, (context, { self }) =>
    context.item(reduced(context, opType, numbersOf(context, self))),
  );
}
for (const [name, opType] of [
  ['any', 'ReduceMax'],
  ['all', 'ReduceMin'],
] as const) {
  defineScalarOp(`aten::${name}.unknown(List(t) self) -> bool`, (context, { self }) => {
    const truths = context.cast(context.cast(numbersOf(context, self), 'bool'), 'int64');
    // An added item decides for an empty list.
    const last = context.elements([name === 'any' ? 0n : 1n], 'int64', [1]);
    const extended = context.node('Concat', [truths, last], { shape: [null], attributes: { axis: int(0) } });
    return context.item(context.cast(reduced(context, opType, extended), 'bool'));
  });
}

/** For each item, whether it equals a number or string: 1 or 0. */
function matches(context: LowerContext, list: Value | undefined, item: Value | undefined): TensorValue {
  const values = numbersOf(context, list);
  const wanted =
    item instanceof SymStr
      ? item.id
      : typeof item === 'string'
        ? BigInt(context.stringId(item))
        : (item as Exclude<Scalar, SymBool>);
  return context.cast(compare(context, 'Equal', values, context.scalar(wanted, values.dtype)), 'int64');
}

defineScalarOp('aten::count.unknown(List(t) self, t el) -> int', (context, { self, el }) =>
  context.item(reduced(context, 'ReduceSum', matches(context, self, el))),
);
defineScalarOp('aten::__contains__.unknown(List(t) l, t item) -> bool', (context, { l, item }) =>
  context.item(context.cast(reduced(context, 'ReduceSum', matches(context, l, item)), 'bool')),
);
/** The position of the first item that equals a number or string. The run fails if there is none, as in PyTorch. */
function positionOf(context: LowerContext, list: Value | undefined, item: Value | undefined): TensorValue {
  // With one more position, so that no kernel gets an empty tensor.
  const last = context.elements([0n], 'int64', [1]);
  const found = context.node('Concat', [matches(context, list, item), last], {
    shape: [null],
    attributes: { axis: int(0) },
  });
  const options = { dtype: 'int64', shape: [] } as const;
  const first = context.node('ArgMax', [found], { ...options, attributes: { axis: int(0), keepdims: int(0) } });
  // Position 1 of a table of one zero fails.
  const missing = context.cast(
    compare(context, 'Equal', reduced(context, 'ReduceSum', found), context.scalar(0n, 'int64')),
    'int64',
  );
  const zero = context.node('Gather', [context.expand(context.elements([0n], 'int64', [1]), [1]), missing], {
    ...options,
    attributes: { axis: int(0) },
  });
  return binary(context, 'Add', first, zero);
}
defineScalarOp('aten::index.unknown(List(t) self, t el) -> int', (context, { self, el }) =>
  context.item(positionOf(context, self, el)),
);
defineScalarOp('aten::remove.unknown(List(t)(a!) self, t el) -> ()', (context, { self, el }) => {
  takeItem(context, self as ListValue, toDim(context.item(positionOf(context, self, el))) ?? 0);
});

/** Whether two lists of numbers or strings are equal. */
function equalLists(context: LowerContext, a: Value | undefined, b: Value | undefined): boolean | SymBool {
  const empty = [a, b].some(
    (list) => (list as ListValue).grown === undefined && (list as ListValue).items.length === 0,
  );
  const counts = [a, b].map((list) => fromDim(countOf(context, list as ListValue)));
  const sameCount = compareScalars(context, 'eq', counts[0] ?? 0n, counts[1] ?? 0n);
  if (empty || sameCount === false) return sameCount;
  const [x, y] = [numbersOf(context, a), numbersOf(context, b)];
  const shorter = minDims(x.content.shape[0] ?? 0, y.content.shape[0] ?? 0);
  const [p, q] = [x, y].map((values) => context.slice(values, 0, 0, shorter, 1, shorter));
  const differ = context.node('Not', [compare(context, 'Equal', p ?? x, q ?? y)]);
  const count = context.item(reduced(context, 'ReduceSum', context.cast(differ, 'int64')));
  return combine(context, 'and', sameCount, compareScalars(context, 'eq', count, 0n));
}
defineScalarOp('aten::eq.unknown(List(t) a, List(t) b) -> bool', (context, { a, b }) => equalLists(context, a, b));
defineScalarOp('aten::ne.unknown(List(t) a, List(t) b) -> bool', (context, { a, b }) => not(equalLists(context, a, b)));

/** The numbers in ascending or descending order. */
function sorted(context: LowerContext, list: Value | undefined, descending: boolean): GrownItems {
  const { form } = grownOf(context, list as ListValue);
  const values = numbersOf(context, list);
  const count = values.content.shape[0] ?? 0;
  const type = { dtype: values.dtype, shape: [count] };
  const [data = values] = guardEmpty(context, [count], {
    types: [type],
    run: () =>
      context
        .nodes('TopK', [values, context.ints([count])], [type, { dtype: 'int64', shape: [count] }], {
          attributes: { axis: int(0), largest: int(descending ? 1 : 0) },
        })
        .slice(0, 1),
  });
  return { form, columns: [{ data }] };
}
defineScalarOp(
  'aten::sorted.unknown(List(t) self) -> t[]',
  (context, { self }) => new ListValue([], sorted(context, self, false)),
);
defineScalarOp('aten::sort.unknown(List(t)(a!) self, bool reverse=False) -> ()', (context, { self, reverse }) => {
  context.heap.setGrown(self as ListValue, sorted(context, self, reverse === true));
});

/** The items of a list, repeated a number of times that is known only at run time. */
export function repeatedItems(context: LowerContext, list: ListValue, times: Dim): ListValue {
  if (list.grown === undefined && list.items.length === 0) return new ListValue([]);
  const items = grownOf(context, list);
  const length = lengthOf(items);
  const places = positions(context, mulDims(length, times));
  const size = context.scalar(toScalar(length), 'int64');
  const indices =
    length === 1 ? context.expand(context.elements([0n], 'int64', [1]), [times]) : binary(context, 'Mod', places, size);
  return new ListValue(
    [],
    mapColumns(items, (column) => takeLeaves(context, column, indices)),
  );
}

/** The elements of a tensor as nested lists of numbers of unknown length. */
export function listOfElements(context: LowerContext, tensor: TensorValue): ListValue {
  const real = ['float32', 'float64', 'float16', 'bfloat16'].includes(tensor.dtype);
  const kind = real ? 'float' : tensor.dtype === 'bool' ? 'bool' : 'int';
  const data = context.cast(tensor, real ? 'float64' : tensor.dtype === 'bool' ? 'bool' : 'int64');
  let form: ItemForm = { kind };
  for (let rank = tensor.rank; rank > 1; rank--) form = { kind: 'list', of: form };
  return new ListValue([], { form, columns: [{ data }] });
}
