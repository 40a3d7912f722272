import type { OnnxAttribute } from '@sconce/onnx';

import { int, ints } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { withBatch, withBatchAxis } from '../../spatial.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import { productOf, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { pooledShape, windowAttributes, windowsOf, type Windows } from './windows.ts';

const { ops, defineOp } = opFamily('pooling');

/** Maximum pooling and its inverse. */
export const maxPooling = ops;

/** The dtype to pool in. ONNX Runtime pools floats and bytes. Other integers are pooled in float64, exact up to 2^53. */
function pooledType(dtype: ScalarType): ScalarType {
  return isFloating(dtype) || dtype === 'uint8' || dtype === 'int8' ? dtype : 'float64';
}

const maxAttributes = (windows: Windows): Readonly<Record<string, OnnxAttribute>> => ({
  ...windowAttributes(windows),
  dilations: ints(windows.dilation),
});

/** The greatest element of each window of [N, C, …] and its row-major position in the plane, as PyTorch counts. */
export function maxOfWindows(context: LowerContext, input: TensorValue, windows: Windows): readonly TensorValue[] {
  const shape = pooledShape(input.shape, windows);
  const dtype = pooledType(input.dtype);
  const outputs = [
    { dtype, shape },
    { dtype: 'int64', shape },
  ] as const;
  const attributes = maxAttributes(windows);
  const [values = input, flat = input] = context.nodes('MaxPool', [context.cast(input, dtype)], outputs, {
    attributes,
  });
  // ONNX counts positions over the whole tensor, not over one plane.
  const plane = context.ints([productOf(input.shape.slice(2))]);
  return [context.cast(values, input.dtype), context.node('Mod', [flat, plane])];
}

function maxPool(context: LowerContext, input: TensorValue, windows: Windows): TensorValue {
  return withBatch(context, input, windows.kernel.length, (batched) => {
    const options = { shape: pooledShape(batched.shape, windows), attributes: maxAttributes(windows) };
    const values = context.node('MaxPool', [context.cast(batched, pooledType(input.dtype))], options);
    return context.cast(values, input.dtype);
  });
}

function maxPoolWithIndices(context: LowerContext, input: TensorValue, windows: Windows): readonly TensorValue[] {
  return withBatchAxis(context, input, windows.kernel.length, (batched) => maxOfWindows(context, batched, windows));
}

defineOp(
  'aten::max_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, int[1] dilation=1, bool ceil_mode=False) -> Tensor',
  (context, { self, ...args }) => maxPool(context, self, windowsOf(1, args)),
);
defineOp(
  'aten::max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> Tensor',
  (context, { self, ...args }) => maxPool(context, self, windowsOf(2, args)),
);
defineOp(
  'aten::max_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> Tensor',
  (context, { self, ...args }) => maxPool(context, self, windowsOf(3, args)),
);
defineOp(
  'aten::max_pool1d_with_indices(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, int[1] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)',
  (context, { self, ...args }) => maxPoolWithIndices(context, self, windowsOf(1, args)),
);
defineOp(
  'aten::max_pool2d_with_indices(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)',
  (context, { self, ...args }) => maxPoolWithIndices(context, self, windowsOf(2, args)),
);
defineOp(
  'aten::max_pool3d_with_indices(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)',
  (context, { self, ...args }) => maxPoolWithIndices(context, self, windowsOf(3, args)),
);

/** Writes each element to the position in `indices`, from which a maximum pooling took it. All other elements are 0. */
function unpool(context: LowerContext, self: TensorValue, indices: TensorValue, size: readonly Dim[]): TensorValue {
  const leading = self.shape.slice(0, self.rank - size.length);
  const pooled = [...leading, productOf(self.shape.slice(leading.length))];
  const plane = productOf(size);
  const zeros = context.expand(context.scalar(0, self.dtype), [...leading, plane]);
  const inputs = [zeros, context.reshape(indices, pooled), context.reshape(self, pooled)];
  const scattered = context.node('ScatterElements', inputs, {
    shape: [...leading, plane],
    attributes: { axis: int(leading.length) },
  });
  return context.reshape(scattered, [...leading, ...size]);
}

defineOp('aten::max_unpool2d(Tensor self, Tensor indices, SymInt[2] output_size) -> Tensor', (context, args) =>
  unpool(context, args.self, args.indices, args.output_size),
);
defineOp(
  'aten::max_unpool3d(Tensor self, Tensor indices, SymInt[3] output_size, int[3] stride, int[3] padding) -> Tensor',
  (context, { self, indices, output_size: size }) => unpool(context, self, indices, size),
);
