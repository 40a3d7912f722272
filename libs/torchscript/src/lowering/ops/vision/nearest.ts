import { int, str } from '../../attributes.ts';
import { copyOf } from '../../copies.ts';
import { positions } from '../../positions.ts';
import { rangeOf } from '../../dims.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { mulDims, sameDim, subDims } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { isPowerOfTwo, ratio, type ResizedAxis } from './resized-sizes.ts';

/** Dtypes for which ONNX Runtime has a kernel of Resize that copies elements unchanged. */
const RESIZABLE = new Set(['float32', 'float16', 'bfloat16', 'uint8', 'int8', 'int32']);

/**
 * Resizes by copying the nearest elements. PyTorch computes their positions in float32 with rounding errors, so ONNX's Resize
 * gives other elements for some sizes. It is used for powers of two. Otherwise each axis is gathered by PyTorch's arithmetic.
 * `exact` means `nearest-exact`, which measures from the middle of the elements.
 */
export function resizeNearest(
  context: LowerContext,
  input: TensorValue,
  axes: readonly ResizedAxis[],
  exact: boolean,
): TensorValue {
  const ratios = axes.map(({ from, to, factor }) => factor ?? ratio(from, to));
  if (RESIZABLE.has(input.dtype) && ratios.every(isPowerOfTwo)) {
    const scales = context.constant([1, 1, ...(ratios as number[])], 'float32', [axes.length + 2]);
    return context.node('Resize', [input, null, scales], {
      shape: [...input.shape.slice(0, 2), ...axes.map(({ to }) => to)],
      attributes: {
        mode: str('nearest'),
        coordinate_transformation_mode: str(exact ? 'half_pixel' : 'asymmetric'),
        nearest_mode: str(exact ? 'round_prefer_ceil' : 'floor'),
      },
    });
  }
  const resized = axes.reduce((tensor, axis, i) => gatherAxis(context, tensor, i + 2, axis, exact), input);
  return resized === input ? copyOf(input) : resized;
}

function gatherAxis(
  context: LowerContext,
  tensor: TensorValue,
  axis: number,
  resized: ResizedAxis,
  exact: boolean,
): TensorValue {
  const { from, to } = resized;
  if (resized.factor === undefined && sameDim(from, to)) return tensor;
  return context.node('Gather', [tensor, sources(context, resized, exact)], {
    shape: tensor.shape.with(axis, to),
    attributes: { axis: int(axis) },
  });
}

/** For these ratios of sizes PyTorch copies or doubles elements, whatever the given factor is. */
const PLAIN_RATIOS = [1, 2];

/** The index of the source element for each element of the result. */
function sources(context: LowerContext, { from, to, factor }: ResizedAxis, exact: boolean): TensorValue {
  const middle = exact ? 0.5 : 0;
  if (typeof from === 'number' && typeof to === 'number') {
    const plain = exact ? undefined : PLAIN_RATIOS.find((times) => to === times * from);
    const given = factor === undefined ? Math.fround(from) / Math.fround(to) : 1 / factor;
    const step = Math.fround(plain === undefined ? given : 1 / plain);
    const indices = rangeOf(to).map((i) => BigInt(Math.min(Math.floor(Math.fround((i + middle) * step)), from - 1)));
    return context.constant(indices, 'int64', [to]);
  }
  const places = positions(context, to);
  const numbers = context.cast(places, 'float32');
  const centres = middle === 0 ? numbers : context.node('Add', [numbers, context.scalar(middle, 'float32')]);
  const [sizeFrom, sizeTo] = [context.ints([from]), context.ints([to])];
  const step =
    factor === undefined
      ? context.node('Div', [context.cast(sizeFrom, 'float32'), context.cast(sizeTo, 'float32')])
      : context.scalar(1 / factor, 'float32');
  const found = context.cast(context.node('Floor', [context.node('Mul', [centres, step])]), 'int64');
  const within = context.node('Min', [found, context.ints([subDims(from, 1)])]);
  if (exact || factor === undefined) return within;
  return PLAIN_RATIOS.reduce((indices, times) => {
    const plain = context.node('Equal', [context.ints([mulDims(from, times)]), sizeTo], { dtype: 'bool' });
    const repeated = context.node('Div', [places, context.ints([times])]);
    return context.node('Where', [plain, repeated, indices], { dtype: 'int64', shape: [to] });
  }, within);
}
