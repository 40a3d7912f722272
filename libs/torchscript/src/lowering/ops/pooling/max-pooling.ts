import type { OnnxAttribute } from '@sconce/onnx';

import { binary, choose, compare } from '../../arithmetic.ts';
import { int, ints } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { isNan, nanDetector, nanWhere } from '../../nan.ts';
import { positions } from '../../positions.ts';
import { withBatch, withBatchAxis } from '../../spatial.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import { productOf, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { meanOfWindows } from './average-pooling.ts';
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

function isNonNegative({ content: { data } }: TensorValue): boolean {
  return data.kind === 'graph' && data.isNonNegative === true;
}

/**
 * The pooled `values` with NaN for windows that hold NaN, which MaxPool passes over. The mean of such a window is NaN. If no element
 * is negative, half of the mean is below the maximum, so the larger of the two is right and cheap. Otherwise infinities of both signs
 * could have a mean of NaN too, so the elements are limited first.
 */
function withNan(context: LowerContext, input: TensorValue, values: TensorValue, windows: Windows): TensorValue {
  if (!isNonNegative(input))
    return nanWhere(context, meanOfWindows(context, nanDetector(context, input), windows), values);
  const mean = meanOfWindows(context, input, windows);
  return binary(context, 'Max', values, binary(context, 'Mul', mean, context.scalar(0.5, mean.dtype)));
}

/**
 * The greatest element of each window of [N, C, …]. A window of nothing but -Infinity gives the lowest finite number in ONNX Runtime.
 * No half of a number is so low, so halves are pooled: twice the result is right.
 */
function greatest(context: LowerContext, input: TensorValue, windows: Windows): TensorValue {
  const options = { shape: pooledShape(input.shape, windows), attributes: maxAttributes(windows) };
  const pool = (tensor: TensorValue): TensorValue => context.node('MaxPool', [tensor], options);
  if (!isFloating(input.dtype)) return context.cast(pool(context.cast(input, pooledType(input.dtype))), input.dtype);
  const times = (tensor: TensorValue, factor: number): TensorValue =>
    binary(context, 'Mul', tensor, context.scalar(factor, tensor.dtype));
  const values = isNonNegative(input) ? pool(input) : times(pool(times(input, 0.5)), 2);
  return withNan(context, input, values, windows);
}

/**
 * The greatest element of each window of [N, C, …] and its row-major position in the plane, as PyTorch counts. NaN is the greatest:
 * the last one of a window.
 */
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
  const plane = productOf(input.shape.slice(2));
  const places = context.node('Mod', [flat, context.ints([plane])]);
  if (!isFloating(input.dtype)) return [context.cast(values, input.dtype), places];
  // The position of the last NaN is the greatest position of one.
  const numbers = context.cast(context.reshape(positions(context, plane), input.shape.slice(2)), 'float64');
  const holes = choose(context, isNan(context, input), numbers, context.scalar(-1, 'float64'));
  const last = context.node('MaxPool', [holes], { shape, attributes });
  const hasHole = compare(context, 'GreaterOrEqual', last, context.scalar(0, 'float64'));
  return [greatest(context, input, windows), choose(context, hasHole, context.cast(last, 'int64'), places)];
}

function maxPool(context: LowerContext, input: TensorValue, windows: Windows): TensorValue {
  return withBatch(context, input, windows.kernel.length, (batched) => greatest(context, batched, windows));
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
const LOW_INDICES = { limits: 'the index of a window of nothing but -Infinity may be another' };

defineOp(
  'aten::max_pool1d_with_indices(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, int[1] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)',
  (context, { self, ...args }) => maxPoolWithIndices(context, self, windowsOf(1, args)),
  LOW_INDICES,
);
defineOp(
  'aten::max_pool2d_with_indices(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)',
  (context, { self, ...args }) => maxPoolWithIndices(context, self, windowsOf(2, args)),
  LOW_INDICES,
);
defineOp(
  'aten::max_pool3d_with_indices(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)',
  (context, { self, ...args }) => maxPoolWithIndices(context, self, windowsOf(3, args)),
  LOW_INDICES,
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
