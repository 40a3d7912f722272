import { int } from '../attributes.ts';
import { opFamily } from '../define-op.ts';
import { toDim } from '../dims.ts';
import { matmul } from '../matmul.ts';
import { subDims, type Dim } from '../../symbolic/sym-int.ts';
import type { LowerContext } from '../../symbolic/lower-context.ts';
import type { TensorValue } from '../../symbolic/values.ts';

const { ops, defineOp } = opFamily('linear');

/** Matrix products by groups, as mixtures of experts have them. */
export const groupedMatmul = ops;

/** The range of one group on the axis that is divided: its begin, its end and its size. */
interface Group {
  readonly start: Dim;
  readonly end: Dim;
  readonly size: Dim;
}

/** The groups that `ends` (integers [G], rising) divide an axis into. */
function groupsOf(context: LowerContext, ends: TensorValue): Group[] {
  const [count] = ends.shape;
  if (typeof count !== 'number') {
    return context.unsupported(
      'a grouped matrix product whose number of groups is not known',
      'fix the number of experts',
    );
  }
  let start: Dim = 0;
  return Array.from({ length: count }, (_, i) => {
    const end = toDim(context.item(context.reshape(context.slice(ends, 0, i, i + 1, 1, 1), []))) ?? 0;
    const group = { start, end, size: subDims(end, start) };
    start = end;
    return group;
  });
}

const cut = (context: LowerContext, tensor: TensorValue, axis: number, { start, end, size }: Group): TensorValue =>
  context.slice(tensor, axis, start, end, 1, size);

/** The matrix of a group in [G, rows, columns]. */
function matrixOf(context: LowerContext, tensor: TensorValue, group: number): TensorValue {
  return context.reshape(context.slice(tensor, 0, group, group + 1, 1, 1), tensor.shape.slice(1));
}

/** Joins the groups' products along an axis that has `size` elements. What no group has is 0; PyTorch leaves it undefined. */
function joined(
  context: LowerContext,
  products: readonly TensorValue[],
  { axis, size, last }: { readonly axis: number; readonly size: Dim; readonly last: Dim },
): TensorValue {
  const [first] = products;
  if (first === undefined) return context.unsupported('a grouped matrix product without groups');
  const withAxis = (length: Dim): Dim[] => first.shape.map((own, i) => (i === axis ? length : own));
  const zero = context.reshape(context.scalar(0, first.dtype), [1, 1]);
  const rest = context.expand(zero, withAxis(subDims(size, last)));
  return context.node('Concat', [...products, rest], { shape: withAxis(size), attributes: { axis: int(axis) } });
}

defineOp(
  'aten::_grouped_mm(Tensor self, Tensor mat2, Tensor? offs=None, Tensor? bias=None, ScalarType? out_dtype=None) -> Tensor',
  (context, { self, mat2, offs, bias, out_dtype }) => {
    if (bias !== null) return context.unsupported('a grouped matrix product with a bias', 'add the bias after it');
    const result = (product: TensorValue): TensorValue => context.cast(product, out_dtype ?? self.dtype);
    if (offs === null) return result(matmul(context, self, mat2));
    const groups = groupsOf(context, offs);
    const last = groups.at(-1)?.end ?? 0;
    if (self.rank === 2 && mat2.rank === 3) {
      context.require(self.shape[1] ?? 1, mat2.shape[1] ?? 1);
      const products = groups.map((group, i) =>
        matmul(context, cut(context, self, 0, group), matrixOf(context, mat2, i)),
      );
      return result(joined(context, products, { axis: 0, size: self.shape[0] ?? 1, last }));
    }
    if (self.rank === 3 && mat2.rank === 2) {
      context.require(self.shape[2] ?? 1, mat2.shape[0] ?? 1);
      const products = groups.map((group, i) =>
        matmul(context, matrixOf(context, self, i), cut(context, mat2, 1, group)),
      );
      return result(joined(context, products, { axis: 1, size: mat2.shape[1] ?? 1, last }));
    }
    if (self.rank !== 2 || mat2.rank !== 2) {
      return context.unsupported(`a grouped matrix product of ranks ${self.rank} and ${mat2.rank}`);
    }
    const products = groups.map((group) => {
      const product = matmul(context, cut(context, self, 1, group), cut(context, mat2, 0, group));
      return context.reshape(product, [1, ...product.shape]);
    });
    return result(
      context.node('Concat', products, {
        shape: [groups.length, self.shape[0] ?? 1, mat2.shape[1] ?? 1],
        attributes: { axis: int(0) },
      }),
    );
  },
);
