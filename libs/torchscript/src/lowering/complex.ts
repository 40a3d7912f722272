import type { LowerContext } from '../symbolic/lower-context.ts';
import { TensorValue } from '../symbolic/values.ts';
import type { ScalarType } from '../scalar-type.ts';

/**
 * Complex tensors. ONNX has none: one is held as its real and imaginary parts along a last axis of 2 that its shape does
 * not show, as `torch.view_as_real` would. Only the operators that ask for the parts take it; every other one is refused
 * when it becomes the input of a node.
 */
export function isComplex(dtype: ScalarType): boolean {
  return dtype.startsWith('complex');
}

/** The complex tensor [...] whose parts are `parts` [..., 2]. */
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
