import type { LowerContext } from './lower-context.ts';
import { TensorValue } from './values.ts';

/** A node Transpose. The permutation is not the identity. */
export function transposed(context: LowerContext, tensor: TensorValue, permutation: readonly number[]): TensorValue {
  const { shape, permutation: before } = tensor.content;
  const moved = context.node('Transpose', [tensor], {
    shape: permutation.map((axis) => shape[axis] ?? null),
    attributes: { perm: { ints: permutation } },
    adapt: false,
  });
  const whole = before === undefined ? permutation : permutation.map((axis) => before[axis] ?? axis);
  if (!mayDivideByZero(moved, whole)) {
    return new TensorValue({ ...moved.content, contiguous: false, permutation: whole });
  }
  // A Reshape to the same sizes copies nothing, and nothing is merged across it.
  const sizes = context.ints(moved.shape.map(() => 0));
  const kept = context.node('Reshape', [moved, sizes], { shape: moved.shape, adapt: false });
  return new TensorValue({ ...kept.content, contiguous: false });
}

/**
 * Whether ONNX Runtime may merge the Transpose with a MatMul that comes later, and the sizes may be 0. It does so if axis 0 becomes one of
 * the last two, and it pushes the Transpose through other nodes first. The merged kernel divides by the size of that axis: the process ends
 * if it is 0 (SIGFPE, ONNX Runtime 1.30).
 */
function mayDivideByZero({ shape }: TensorValue, permutation: readonly number[]): boolean {
  if (shape.length < 3 || !permutation.slice(-2).includes(0)) return false;
  return shape.some((size) => typeof size !== 'number' || size === 0);
}
