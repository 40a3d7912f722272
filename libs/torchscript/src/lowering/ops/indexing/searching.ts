import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { productOf, subDims } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { compare, binary } from '../../arithmetic.ts';
import { int } from '../../attributes.ts';
import { runningSum } from '../../counting.ts';
import { opFamily } from '../../define-op.ts';
import { operandAs, resultType, type Operand } from '../../promotion.ts';
import { gather } from './axis-index.ts';

const { ops, defineOp } = opFamily('indexing');

/** Operators that search values: searchsorted, bucketize, isin, unique. */
export const searching = ops;

/** For each of `values`, counts the elements of `sorted` (along its last axis) below it or, with `right`, not above it. */
function countBelow(
  context: LowerContext,
  sorted: TensorValue,
  values: Operand,
  right: boolean,
  narrow: boolean,
): TensorValue {
  const dtype = resultType([sorted, values]);
  const sought = operandAs(context, values, dtype);
  const shared = sorted.rank > 1;
  const { shape } = sorted.content;
  const bounds = context.reshape(context.cast(sorted, dtype), shared ? shape.toSpliced(-1, 0, 1) : shape);
  const wide = context.reshape(sought, [...sought.content.shape, 1]);
  const below = compare(context, right ? 'LessOrEqual' : 'Less', bounds, wide);
  const axis = below.rank - 1;
  const result: ScalarType = narrow ? 'int32' : 'int64';
  return context.node('ReduceSum', [context.cast(below, result), context.ints([axis])], {
    shape: below.content.shape.slice(0, -1),
    attributes: { keepdims: int(0) },
  });
}

function inOrder(context: LowerContext, sequence: TensorValue, sorter: TensorValue | null): TensorValue {
  return sorter === null ? sequence : gather(context, sequence, -1, sorter);
}

defineOp(
  'aten::searchsorted.Tensor(Tensor sorted_sequence, Tensor self, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None) -> Tensor',
  (context, { sorted_sequence, self, out_int32, right, side, sorter }) =>
    countBelow(context, inOrder(context, sorted_sequence, sorter), self, right || side === 'right', out_int32),
);
defineOp(
  'aten::searchsorted.Scalar(Tensor sorted_sequence, Scalar self, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None) -> Tensor',
  (context, { sorted_sequence, self, out_int32, right, side, sorter }) =>
    countBelow(context, inOrder(context, sorted_sequence, sorter), self, right || side === 'right', out_int32),
);
defineOp(
  'aten::bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor',
  (context, { self, boundaries, out_int32, right }) => countBelow(context, boundaries, self, right, out_int32),
);
defineOp(
  'aten::bucketize.Scalar(Scalar self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor',
  (context, { self, boundaries, out_int32, right }) => countBelow(context, boundaries, self, right, out_int32),
);

/** Tells for each of `elements` whether it occurs among `candidates`. */
function isAmong(context: LowerContext, elements: Operand, candidates: Operand, invert: boolean): TensorValue {
  const dtype = resultType([elements, candidates]);
  const sought = operandAs(context, elements, dtype);
  const among = operandAs(context, candidates, dtype);
  const wide = context.reshape(sought, [...sought.content.shape, 1]);
  const hits = compare(context, 'Equal', wide, context.reshape(among, [productOf(among.content.shape)]));
  const any = context.node('ReduceMax', [context.cast(hits, 'uint8'), context.ints([sought.rank])], {
    shape: sought.content.shape,
    attributes: { keepdims: int(0) },
  });
  const found = context.cast(any, 'bool');
  return invert ? context.node('Not', [found]) : found;
}

defineOp(
  'aten::isin.Tensor_Tensor(Tensor elements, Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor',
  (context, { elements, test_elements, invert }) => isAmong(context, elements, test_elements, invert),
);
defineOp(
  'aten::isin.Tensor_Scalar(Tensor elements, Scalar test_element, *, bool assume_unique=False, bool invert=False) -> Tensor',
  (context, { elements, test_element, invert }) => isAmong(context, elements, test_element, invert),
);
defineOp(
  'aten::isin.Scalar_Tensor(Scalar element, Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor',
  (context, { element, test_elements, invert }) => isAmong(context, element, test_elements, invert),
);

/** The dtype in which ONNX Runtime can find unique values. */
function uniqueType(dtype: ScalarType): ScalarType {
  if (dtype === 'float32' || dtype === 'float64' || dtype === 'int64' || dtype === 'int8') return dtype;
  return dtype.includes('float') ? 'float32' : 'int64';
}

/** Unique values (of all elements, or slices along an axis) in ascending order, the inverse indices and the counts. */
function unique(context: LowerContext, self: TensorValue, axis: number | null): TensorValue[] {
  const { shape, dtype } = self.content;
  const input = context.cast(self, uniqueType(dtype));
  const valueShape = axis === null ? [null] : shape.map((dim, i) => (i === axis ? null : dim));
  const [values, , inverse, counts] = context.nodes(
    'Unique',
    [input],
    [
      { dtype: input.dtype, shape: valueShape },
      { dtype: 'int64', shape: [null] },
      { dtype: 'int64', shape: axis === null ? [productOf(shape)] : [shape[axis] ?? null] },
      { dtype: 'int64', shape: [null] },
    ],
    { attributes: { sorted: int(1), ...(axis === null ? {} : { axis: int(axis) }) } },
  );
  if (values === undefined || inverse === undefined || counts === undefined) return [];
  return [context.cast(values, dtype), axis === null ? context.reshape(inverse, shape) : inverse, counts];
}

defineOp(
  'aten::_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)',
  (context, { self }) => unique(context, self, null),
);
defineOp(
  'aten::_unique(Tensor self, bool sorted=True, bool return_inverse=False) -> (Tensor, Tensor)',
  (context, { self }) => unique(context, self, null).slice(0, 2),
);
defineOp(
  'aten::unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)',
  (context, { self, dim }) => unique(context, self, context.axis(dim, self.rank)),
);

defineOp(
  'aten::unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None) -> (Tensor, Tensor, Tensor)',
  (context, { self, dim }) => {
    if (dim !== null && self.rank !== 1) {
      return context.unsupported('unique_consecutive() along an axis', 'leave dim out, or use unique()');
    }
    const count = productOf(self.content.shape);
    const flat = context.reshape(self, [count]);
    const rest = subDims(count, 1);
    const [earlier, later] = [context.slice(flat, 0, 0, rest, 1, rest), context.slice(flat, 0, 1, count, 1, rest)];
    const changes = context.node('Not', [compare(context, 'Equal', earlier, later)]);
    const starts = context.node('Concat', [context.constant([true], 'bool', [1]), changes], {
      shape: [count],
      attributes: { axis: int(0) },
      adapt: false,
    });
    const compress = (tensor: TensorValue): TensorValue =>
      context.node('Compress', [tensor, starts], { shape: [null], attributes: { axis: int(0) }, adapt: false });
    const values = compress(flat);
    const numbers = binary(
      context,
      'Sub',
      runningSum(context, context.cast(starts, 'int64'), 0),
      context.scalar(1n, 'int64'),
    );
    const zeros = context.expand(context.scalar(0n, 'int64'), values.content.shape);
    const ones = context.expand(context.scalar(1n, 'int64'), [count]);
    const counts = context.node('ScatterElements', [zeros, numbers, ones], {
      attributes: { axis: int(0), reduction: { string: 'add' } },
      adapt: false,
    });
    return [values, context.reshape(numbers, self.content.shape), counts];
  },
  { limits: 'only without dim or on vectors, with at least one element' },
);
