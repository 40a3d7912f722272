import type { LowerContext } from '../symbolic/lower-context.ts';
import type { TensorValue } from '../symbolic/values.ts';
import { int, str } from './attributes.ts';
import type { ScalarType } from '../scalar-type.ts';

/** What becomes of elements that are written to more than once, as ONNX names it. */
export type ScatterReduction = 'none' | 'add' | 'mul' | 'max' | 'min';

/** The dtype ONNX Runtime has a kernel for. */
function computedIn(dtype: ScalarType, reduction: ScatterReduction): ScalarType {
  if (reduction === 'none') return dtype;
  return dtype === 'float16' ? 'float32' : dtype === 'bool' ? 'int32' : dtype;
}

/** `data` with `updates` put where `indices`, of the same shape, say along `axis`. */
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

/** `data` with slices of it replaced: `indices` of shape `[..., k]` name positions of the first k axes. */
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
