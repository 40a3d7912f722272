import type { LowerContext } from '../symbolic/lower-context.ts';
import type { TensorValue } from '../symbolic/values.ts';
import { int, str } from './attributes.ts';
import type { ScalarType } from '../scalar-type.ts';

/** How ONNX combines several writes to one element. */
export type ScatterReduction = 'none' | 'add' | 'mul' | 'max' | 'min';

/** The dtype to compute in: one for which ONNX Runtime has a kernel. */
function computedIn(dtype: ScalarType, reduction: ScatterReduction): ScalarType {
  if (reduction === 'none') return dtype;
  return dtype === 'float16' ? 'float32' : dtype === 'bool' ? 'int32' : dtype;
}

/** `data` with `updates` written to the positions `indices` along `axis`. `indices` and `updates` have the same shape. */
export function scatterElements(
  context: LowerContext,
  data: TensorValue,
  axis: number,
  indices: TensorValue,
  updates: TensorValue,
  reduction: ScatterReduction = 'none',
): TensorValue {
  const dtype = computedIn(data.dtype, reduction);
  const result = context.node(
    'ScatterElements',
    [context.cast(data, dtype), context.cast(indices, 'int64'), context.cast(updates, dtype)],
    { attributes: { axis: int(axis), reduction: str(reduction) }, adapt: false },
  );
  return context.cast(result, data.dtype);
}

/** `data` with some slices replaced. `indices` of shape `[..., k]` are positions on the first k axes. */
export function scatterSlices(
  context: LowerContext,
  data: TensorValue,
  indices: TensorValue,
  updates: TensorValue,
  reduction: ScatterReduction = 'none',
): TensorValue {
  const dtype = computedIn(data.dtype, reduction);
  const result = context.node(
    'ScatterND',
    [context.cast(data, dtype), context.cast(indices, 'int64'), context.cast(updates, dtype)],
    { attributes: { reduction: str(reduction) }, adapt: false },
  );
  return context.cast(result, data.dtype);
}
