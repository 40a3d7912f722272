import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { SymInt } from '../../../symbolic/sym-int.ts';
import { ListValue, TensorValue, type Scalar, type Value } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { int } from '../../attributes.ts';
import { stackOf } from '../../columns.ts';
import { opFamily } from '../../define-op.ts';
import { grownOf } from '../../grown-items.ts';
import { scalarType } from '../../promotion.ts';

const { ops, defineOp } = opFamily('creation');

/** Tensors made of Python numbers and nested lists. */
export const literals = ops;

/** The numbers of nested lists in row-major order, and the shape of the lists. */
function flatten(context: LowerContext, data: Value): { readonly numbers: Scalar[]; readonly shape: number[] } {
  const numbers: Scalar[] = [];
  const shape: number[] = [];
  const walk = (value: Value, depth: number): void => {
    if (value instanceof ListValue) {
      const { items } = value;
      if (shape[depth] !== undefined && shape[depth] !== items.length)
        context.unsupported('a tensor of ragged lists', 'give all lists of a level the same length');
      shape[depth] = items.length;
      for (const item of items) walk(item, depth + 1);
    } else numbers.push(value instanceof TensorValue ? context.item(value) : (value as Scalar));
  };
  walk(data, 0);
  return { numbers, shape };
}

/** The dtype of a tensor of these numbers: the highest of their kinds (bool, int, float). */
function kindOfAll(numbers: readonly Scalar[]): ScalarType {
  const kinds = new Set(numbers.map(scalarType));
  return kinds.has('float32') || kinds.size === 0 ? 'float32' : kinds.has('int64') ? 'int64' : 'bool';
}

/** The numbers of a list of unknown length, or of a list of such lists. Undefined for lists of known length. */
function grownNumbers(context: LowerContext, data: Value): TensorValue | undefined {
  if (!(data instanceof ListValue)) return undefined;
  const holdsGrown = (list: ListValue): boolean =>
    list.grown !== undefined || list.items.some((item) => item instanceof ListValue && holdsGrown(item));
  if (!holdsGrown(data)) return undefined;
  const [column, ...others] = grownOf(context, data).columns;
  if (column === undefined || others.length > 0)
    return context.unsupported('a tensor of tuples', 'PyTorch fails here too');
  return stackOf(context, column);
}

function tensorOf(context: LowerContext, data: Value, given: ScalarType | null): TensorValue {
  if (data instanceof TensorValue) return new TensorValue(context.cast(data, given ?? data.dtype).content);
  const grown = grownNumbers(context, data);
  if (grown !== undefined) return context.cast(grown, given ?? (grown.dtype === 'float64' ? 'float32' : grown.dtype));
  const { numbers, shape } = flatten(context, data);
  const dtype = given ?? kindOfAll(numbers);
  const sizes = dtype === 'int64' && numbers.every((value) => typeof value === 'bigint' || value instanceof SymInt);
  if (sizes || numbers.every((value) => typeof value !== 'object')) {
    const known = context.elements(
      numbers,
      sizes ? 'int64' : kindOfAll(numbers) === 'int64' ? 'int64' : 'float64',
      shape,
    );
    return context.cast(known, dtype);
  }
  const parts = numbers.map((value) => context.reshape(context.scalar(value, dtype), [1]));
  const [first] = parts;
  const joined =
    parts.length === 1 && first !== undefined
      ? first
      : context.node('Concat', parts, { dtype, shape: [parts.length], attributes: { axis: int(0) } });
  return context.reshape(joined, shape);
}

defineOp(
  'aten::tensor(Any data, *, ScalarType? dtype=None, Device? device=None, bool requires_grad=False) -> Tensor',
  (context, { data, dtype }) => tensorOf(context, data, dtype),
);
defineOp(
  'aten::as_tensor(Any data, *, ScalarType? dtype=None, Device? device=None) -> Tensor',
  (context, { data, dtype }) =>
    data instanceof TensorValue ? context.cast(data, dtype ?? data.dtype) : tensorOf(context, data, dtype),
);
defineOp(
  'aten::scalar_tensor(Scalar s, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { s, dtype }) => context.scalar(s, dtype ?? 'float32'),
);
