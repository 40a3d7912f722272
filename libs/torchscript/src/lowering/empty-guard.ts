import type { LowerContext } from '../symbolic/lower-context.ts';
import { productOf, type Dim } from '../symbolic/sym-int.ts';
import { SymBool, type TensorValue } from '../symbolic/values.ts';
import type { ScalarType } from '../scalar-type.ts';

/** The type of a result. */
interface ResultType {
  readonly dtype: ScalarType;
  readonly shape: readonly Dim[];
}

/**
 * Runs a kernel of ONNX Runtime that ends the process when one of `sizes` is 0. Then the results are tensors of 0 instead: for
 * most kernels they have no elements either. Known sizes need no node. A free axis may hold no element in any call.
 */
export function guardEmpty(
  context: LowerContext,
  sizes: readonly Dim[],
  types: readonly ResultType[],
  kernel: () => readonly TensorValue[],
): readonly TensorValue[] {
  const zeros = (): TensorValue[] =>
    types.map(({ dtype, shape }) =>
      context.expand(
        context.reshape(
          context.scalar(0, dtype),
          shape.map(() => 1),
        ),
        shape,
      ),
    );
  const product = productOf(sizes.map((size) => context.resolve(size)));
  if (typeof product === 'number') return product === 0 ? zeros() : kernel();
  const isEmpty = new SymBool({ kind: 'compare', op: 'eq', a: product, b: 0 });
  return context.either(isEmpty, zeros, kernel);
}
