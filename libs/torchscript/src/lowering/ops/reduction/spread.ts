import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { maxDims, subDims } from '../../../symbolic/sym-int.ts';
import { SymFloat, type Scalar, type TensorValue } from '../../../symbolic/values.ts';
import { binary } from '../../arithmetic.ts';
import { opFamily } from '../../define-op.ts';
import { toScalar } from '../../dims.ts';
import { countOver, floatingOnly, meanOver, reducedAxes, sumOver } from './reduce.ts';

const { ops, defineOp } = opFamily('reduction');

/** Variances and standard deviations. */
export const spread = ops;

/** Variance (or its square root) and mean. `correction` is subtracted from the number of elements. */
function varianceAndMean(
  context: LowerContext,
  input: TensorValue,
  dim: readonly number[] | null,
  correction: Scalar | null,
  keepdim: boolean,
  root: boolean,
): [TensorValue, TensorValue] {
  const { dtype } = floatingOnly(context, input, root ? 'std()' : 'var()');
  // PyTorch adds the squares in float64 too, so they do not overflow.
  const self = context.cast(input, 'float64');
  const axes = reducedAxes(context, self.rank, dim);
  const off = correction === null ? 1 : Number(correction);
  if (correction instanceof SymFloat || Number.isNaN(off)) {
    return context.unsupported('a correction known only at run time', 'give the correction as a number');
  }
  const mean = meanOver(context, self, axes, self.rank > 0);
  const centred = binary(context, 'Sub', self, mean);
  const squares = binary(context, 'Mul', centred, centred);
  const variance =
    off === 0
      ? meanOver(context, squares, axes, keepdim)
      : binary(context, 'Div', sumOver(context, squares, axes, keepdim), divisor(context, self, axes, off));
  const result = keepdim ? mean : context.reshape(mean, variance.content.shape);
  return [context.cast(root ? context.node('Sqrt', [variance]) : variance, dtype), context.cast(result, dtype)];
}

/** The number of elements minus the correction `off`, at least 0. */
function divisor(context: LowerContext, self: TensorValue, axes: readonly number[], off: number): TensorValue {
  const count = countOver(self, axes);
  if (Number.isInteger(off)) return context.scalar(toScalar(maxDims(subDims(count, off), 0)), self.dtype);
  const all = context.scalar(toScalar(count), self.dtype);
  const less = binary(context, 'Sub', all, context.scalar(off, self.dtype));
  return binary(context, 'Max', less, context.scalar(0, self.dtype));
}

const INFINITIES = { limits: 'the mean of numbers of which one is infinite is that infinity; PyTorch gives NaN here' };

for (const [name, root] of [
  ['std', true],
  ['var', false],
] as const) {
  defineOp(
    `aten::${name}(Tensor self, bool unbiased=True) -> Tensor`,
    (context, { self, unbiased }) => varianceAndMean(context, self, null, unbiased ? 1n : 0n, false, root)[0],
  );
  defineOp(
    `aten::${name}.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor`,
    (context, { self, dim, unbiased, keepdim }) =>
      varianceAndMean(context, self, dim, unbiased ? 1n : 0n, keepdim, root)[0],
  );
  defineOp(
    `aten::${name}.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor`,
    (context, { self, dim, correction, keepdim }) => varianceAndMean(context, self, dim, correction, keepdim, root)[0],
  );
  defineOp(
    `aten::${name}_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)`,
    (context, { self, unbiased }) => varianceAndMean(context, self, null, unbiased ? 1n : 0n, false, root),
    INFINITIES,
  );
  defineOp(
    `aten::${name}_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)`,
    (context, { self, dim, unbiased, keepdim }) =>
      varianceAndMean(context, self, dim, unbiased ? 1n : 0n, keepdim, root),
    INFINITIES,
  );
  defineOp(
    `aten::${name}_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)`,
    (context, { self, dim, correction, keepdim }) => varianceAndMean(context, self, dim, correction, keepdim, root),
    INFINITIES,
  );
}
