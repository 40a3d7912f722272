import type { LowerContext } from '../symbolic/lower-context.ts';
import { TensorValue } from '../symbolic/values.ts';

/**
 * The masks of tensors that PyTorch would hold as nested tensors. PyTorch's fast path for padded sequences makes a nested tensor,
 * runs the encoder's layers on it, and pads the result again. Here the tensor stays padded, and has a mask of its real elements.
 */
const masks = new WeakMap<TensorValue, TensorValue>();

/** The mask (BOOL [N, L], true for real elements) of a tensor in place of a nested one; undefined for other tensors. */
export function nestedMask(tensor: TensorValue): TensorValue | undefined {
  return masks.get(tensor);
}

/** The padded tensor [N, L, D] as a nested tensor. `mask` marks its real elements. */
export function withNestedMask(tensor: TensorValue, mask: TensorValue): TensorValue {
  const nested = new TensorValue(tensor.content);
  masks.set(nested, mask);
  return nested;
}

/** The nested tensor padded with a value. */
export function maskNested(context: LowerContext, tensor: TensorValue, padding: number): TensorValue {
  const mask = masks.get(tensor);
  if (mask === undefined) return context.unsupported('a nested tensor that was not made from a padded one and a mask');
  const [batch = 1, length = 1] = mask.shape;
  const wide = context.reshape(mask, [batch, length, 1]);
  return context.node('Where', [wide, tensor, context.scalar(padding, tensor.dtype)], {
    dtype: tensor.dtype,
    shape: tensor.shape,
  });
}
