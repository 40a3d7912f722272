import type { LowerContext } from '../symbolic/lower-context.ts';
import { TensorValue } from '../symbolic/values.ts';
import type { ScalarType } from '../scalar-type.ts';

/**
 * Whether a dtype is complex. ONNX has no complex tensors. A complex tensor is held as real and imaginary parts along an additional
 * last axis of size 2, as from `torch.view_as_real`; its shape does not include this axis. Only operators that read the parts accept
 * it. As the input of any other node it is refused.
 */
export function isComplex(dtype: ScalarType): boolean {
  return dtype.startsWith('complex');
}

/** The complex tensor [...] with the parts `parts` [..., 2]. */
export function complexOf(context: LowerContext, parts: TensorValue): TensorValue {
  const { content } = parts.content.data.kind === 'graph' ? parts : context.node('Identity', [parts]);
  return new TensorValue({
    ...content,
    dtype: content.dtype === 'float64' ? 'complex128' : 'complex64',
    shape: content.shape.slice(0, -1),
  });
}

/** The parts [..., 2] of a complex tensor [...]. */
export function partsOf(context: LowerContext, tensor: TensorValue): TensorValue {
  const { content } = tensor;
  if (!isComplex(content.dtype) || content.data.kind !== 'graph') {
    return context.unsupported(
      `a ${content.dtype} tensor`,
      'complex weights and inputs are not supported: pass real and imaginary parts',
    );
  }
  return new TensorValue({
    ...content,
    dtype: content.dtype === 'complex128' ? 'float64' : 'float32',
    shape: [...content.shape, 2],
  });
}

/** `sqrt(re² + im²)` of a complex tensor. */
export function magnitude(context: LowerContext, tensor: TensorValue): TensorValue {
  const parts = partsOf(context, tensor);
  return context.node('ReduceL2', [parts, context.ints([tensor.rank])], {
    shape: tensor.shape,
    attributes: { keepdims: { int: 0 } },
  });
}
