import { TensorValue } from '../symbolic/values.ts';

/** A copy of the tensor. In-place changes of one do not affect the other. */
export function copyOf(tensor: TensorValue): TensorValue {
  return new TensorValue({ ...tensor.content, contiguous: true });
}

/** The tensor, marked as contiguous or not in PyTorch's memory. */
export function withContiguity(tensor: TensorValue, contiguous: boolean): TensorValue {
  return tensor.content.contiguous === contiguous ? tensor : new TensorValue({ ...tensor.content, contiguous });
}
