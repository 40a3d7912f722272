import { TensorValue } from '../symbolic/values.ts';

/** A tensor of its own with the same elements: in-place changes of one leave the other alone. */
export function copyOf(tensor: TensorValue): TensorValue {
  return new TensorValue({ ...tensor.content, contiguous: true });
}

/** The tensor, marked as PyTorch holds it in memory. */
export function withContiguity(tensor: TensorValue, contiguous: boolean): TensorValue {
  return tensor.content.contiguous === contiguous ? tensor : new TensorValue({ ...tensor.content, contiguous });
}
