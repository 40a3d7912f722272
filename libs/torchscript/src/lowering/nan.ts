import type { LowerContext } from '../symbolic/lower-context.ts';
import { isFloating } from '../symbolic/onnx-types.ts';
import type { TensorValue } from '../symbolic/values.ts';
import type { ScalarType } from '../scalar-type.ts';
import { choose, compare } from './arithmetic.ts';

/**
 * NaN where kernels of ONNX Runtime pass over it: ReduceMax, ReduceMin, ArgMax, ArgMin, TopK, MaxPool and ScatterElements. The graphs
 * have no branches on data, because a model with such a branch cannot merge the rows of several requests.
 */

/** The largest finite number of each floating dtype. */
export const GREATEST: Readonly<Partial<Record<ScalarType, number>>> = {
  float16: 65504,
  bfloat16: 3.3895313892515355e38,
  float32: 3.4028234663852886e38,
  float64: Number.MAX_VALUE,
};

/** True for elements that are NaN. */
export function isNan(context: LowerContext, self: TensorValue): TensorValue {
  return isFloating(self.dtype)
    ? context.node('IsNaN', [self], { dtype: 'bool' })
    : context.node('Not', [compare(context, 'Equal', self, self)]);
}

/**
 * Numbers of the same order in which NaN is the greatest (or, with `-1`, the least). So that only NaN is infinite, an infinity of
 * this sign becomes the largest finite number. Integers are returned as they are.
 */
export function orderKeys(context: LowerContext, self: TensorValue, sign: 1 | -1): TensorValue {
  const greatest = GREATEST[self.dtype];
  if (greatest === undefined) return self;
  const [low, high] = sign > 0 ? [-Infinity, greatest] : [-greatest, Infinity];
  const finite = context.node('Clip', [self, context.scalar(low, self.dtype), context.scalar(high, self.dtype)]);
  return choose(context, isNan(context, self), context.scalar(sign * Infinity, self.dtype), finite);
}

/** The tensor with NaN for every element at which `detector`, of the same shape, is NaN. */
export function nanWhere(context: LowerContext, detector: TensorValue, self: TensorValue): TensorValue {
  return choose(context, isNan(context, detector), detector, self);
}

/** The elements limited to [-1, 1]. NaN stays NaN, and no sum of these elements is NaN for another reason. */
export function nanDetector(context: LowerContext, self: TensorValue): TensorValue {
  return context.node('Clip', [self, context.scalar(-1, self.dtype), context.scalar(1, self.dtype)]);
}
