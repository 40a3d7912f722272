import { int, ints, str } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { rangeOf } from '../../dims.ts';
import { positions } from '../../positions.ts';
import { perAxis, requireFloating, requireRank } from '../../spatial.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import { addDims, floorDivDims, mulDims, productOf, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { pad } from './padding.ts';

const { ops, defineOp } = opFamily('vision');

/** Operators that move pixels between channels and space, or to columns and back. */
export const rearranging = ops;

/** Refuses tensors without axes for channels, rows and columns. */
function requirePixels(context: LowerContext, self: TensorValue): void {
  requireRank(context, self, 4, 3, 5, 6, 7, 8);
}

defineOp(
  'aten::pixel_shuffle(Tensor self, int upscale_factor) -> Tensor',
  (context, { self, upscale_factor: factor }) => {
    requirePixels(context, self);
    const leading = self.shape.slice(0, -3);
    const [channels = 1, height = 1, width = 1] = self.shape.slice(-3);
    const depth = floorDivDims(channels, factor * factor);
    const [tall, wide] = [mulDims(height, factor), mulDims(width, factor)];
    const one = self.rank === 4 ? self : context.reshape(self, [productOf(leading), channels, height, width]);
    const dtype = isFloating(self.dtype) ? self.dtype : 'float64';
    const shuffled = context.node('DepthToSpace', [context.cast(one, dtype)], {
      shape: [one.shape[0] ?? 1, depth, tall, wide],
      attributes: { blocksize: int(factor), mode: str('CRD') },
    });
    return context.reshape(context.cast(shuffled, self.dtype), [...leading, depth, tall, wide]);
  },
);

defineOp(
  'aten::pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor',
  (context, { self, downscale_factor: factor }) => {
    requirePixels(context, self);
    const leading = self.shape.slice(0, -3);
    const [channels = 1, height = 1, width = 1] = self.shape.slice(-3);
    const [low, narrow] = [floorDivDims(height, factor), floorDivDims(width, factor)];
    const blocks = context.reshape(self, [productOf(leading), channels, low, factor, narrow, factor]);
    const moved = context.transpose(blocks, [0, 1, 3, 5, 2, 4]);
    return context.reshape(moved, [...leading, mulDims(channels, factor * factor), low, narrow]);
  },
);

/** Interleaves the channels of the groups: the first channel of each group, then the second of each, … */
const channelShuffle = (context: LowerContext, self: TensorValue, groups: number): TensorValue => {
  requireRank(context, self, 4, 3, 5);
  const [batch = 1, channels = 1, ...rest] = self.shape;
  const grouped = context.reshape(self, [batch, groups, floorDivDims(channels, groups), ...rest]);
  const swapped = [0, 2, 1, ...rangeOf(rest.length).map((axis) => axis + 3)];
  return context.reshape(context.transpose(grouped, swapped), self.shape);
};
defineOp('aten::channel_shuffle(Tensor self, int groups) -> Tensor', (context, { self, groups }) =>
  channelShuffle(context, self, groups),
);
defineOp('aten::native_channel_shuffle(Tensor self, int groups) -> Tensor', (context, { self, groups }) =>
  channelShuffle(context, self, groups),
);

/** Adds a batch axis in front if the input has none. */
function withLeadingAxis(context: LowerContext, self: TensorValue, rank: number): TensorValue {
  requireRank(context, self, rank, rank - 1);
  return self.rank === rank - 1 ? context.reshape(self, [1, ...self.shape]) : self;
}

/** Replaces an axis by two: [kernel, windows]. For each position in the kernel they have the elements of all windows. */
function splitAxis(context: LowerContext, tensor: TensorValue, axis: number, window: SlidingWindow): TensorValue {
  const { kernel, dilation, stride } = window;
  const room = addDims(tensor.shape[axis] ?? 1, -(kernel - 1) * dilation - 1);
  const count = addDims(floorDivDims(room, stride), 1);
  const shape = [kernel, count];
  const within = positions(context, kernel, { step: dilation, axis: 0, rank: 2 });
  const starts = positions(context, count, { step: stride, axis: 1, rank: 2 });
  return context.node('Gather', [tensor, context.node('Add', [within, starts], { shape })], {
    shape: tensor.shape.toSpliced(axis, 1, ...shape),
    attributes: { axis: int(axis) },
  });
}

interface SlidingWindow {
  readonly kernel: number;
  readonly dilation: number;
  readonly stride: number;
}

defineOp(
  'aten::im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor',
  (context, { self, ...args }) => {
    const lists = [args.kernel_size, args.dilation, args.stride].map((values) => perAxis(values, 2));
    const window = (axis: number): SlidingWindow => {
      const [kernel = 1, dilation = 1, stride = 1] = lists.map((values) => values[axis] ?? 1);
      return { kernel, dilation, stride };
    };
    const [top = 0, left = 0] = perAxis(args.padding, 2);
    const image = pad(context, withLeadingAxis(context, self, 4), [left, left, top, top], 'constant');
    // [N, C, H, W] -> [N, C, kernel rows, rows, kernel columns, columns]
    const split = splitAxis(context, splitAxis(context, image, 2, window(0)), 4, window(1));
    const blocks = context.transpose(split, [0, 1, 2, 4, 3, 5]);
    const { shape } = blocks;
    const columns = context.reshape(blocks, [shape[0] ?? 1, productOf(shape.slice(1, 4)), productOf(shape.slice(4))]);
    return self.rank === 4 ? columns : context.reshape(columns, columns.shape.slice(1));
  },
);

defineOp(
  'aten::col2im(Tensor self, SymInt[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor',
  (context, { self, output_size: output, ...args }) => {
    requireFloating(context, self);
    const size: readonly Dim[] = perAxis(output, 2);
    const kernel = perAxis(args.kernel_size, 2);
    const columns = withLeadingAxis(context, self, 3);
    const [batch = 1, rows = 1] = columns.shape;
    const volume = (kernel[0] ?? 1) * (kernel[1] ?? 1);
    const image = context.node('Col2Im', [columns, context.ints(size), context.ints(kernel)], {
      shape: [batch, floorDivDims(rows, volume), ...size],
      attributes: {
        dilations: ints(perAxis(args.dilation, 2)),
        pads: ints([...perAxis(args.padding, 2), ...perAxis(args.padding, 2)]),
        strides: ints(perAxis(args.stride, 2)),
      },
    });
    return self.rank === 3 ? image : context.reshape(image, image.shape.slice(1));
  },
);
