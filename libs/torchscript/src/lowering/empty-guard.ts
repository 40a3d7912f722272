import type { LowerContext } from '../symbolic/lower-context.ts';
import { productOf, type Dim } from '../symbolic/sym-int.ts';
import { SymBool, type TensorValue } from '../symbolic/values.ts';
import type { ScalarType } from '../scalar-type.ts';

/** The type of a result. */
interface ResultType {
  readonly dtype: ScalarType;
  readonly shape: readonly Dim[];
}

/** A kernel of ONNX Runtime that fails on empty input. */
interface GuardedKernel {
  readonly types: readonly ResultType[];
  readonly run: () => readonly TensorValue[];
  /** The results for empty input. Default: tensors of 0. */
  readonly empty?: () => readonly TensorValue[];
}

/**
 * Runs a kernel that ends the process, or gives garbage, when one of `sizes` is 0. Known sizes need no node. A free axis may hold
 * no element in any call.
 */
export function guardEmpty(
  context: LowerContext,
  sizes: readonly Dim[],
  { types, run, empty }: GuardedKernel,
): readonly TensorValue[] {
  const zeros = (): readonly TensorValue[] =>
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
  if (typeof product === 'number' && product !== 0) return run();
  const instead = empty ?? zeros;
  if (product === 0) return instead();
  return context.either(new SymBool({ kind: 'compare', op: 'eq', a: product, b: 0 }), instead, run);
}
