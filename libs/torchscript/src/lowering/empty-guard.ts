import type { LowerContext } from '../symbolic/lower-context.ts';
import { minDims, minimumOf, productOf, subDims, type Dim } from '../symbolic/sym-int.ts';
import { SymBool, type TensorValue } from '../symbolic/values.ts';
import type { ScalarType } from '../scalar-type.ts';
import { binary } from './arithmetic.ts';
import { toScalar } from './dims.ts';

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

/**
 * A scalar 0 (int64) that fails in a run in which `isWrong` (int64, 0 or 1) is 1. A node that uses the scalar fails too. ONNX has no
 * operator that raises, so it is read from a table of one element.
 */
export function zeroUnless(context: LowerContext, isWrong: TensorValue): TensorValue {
  return context.node('Gather', [context.ints([0]), isWrong], { dtype: 'int64', shape: [], adapt: false });
}

/** A result that PyTorch refuses to compute from no elements. Fails in a run in which `count` is 0. */
export function requireElements(context: LowerContext, count: Dim, result: TensorValue): TensorValue {
  const size = context.resolve(count);
  if (minimumOf(size) > 0) return result;
  const zero = zeroUnless(context, context.scalar(toScalar(subDims(1, minDims(size, 1))), 'int64'));
  return binary(context, 'Add', result, context.cast(zero, result.dtype));
}
