import { float, int, ints, str } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { requireRank } from '../../spatial.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, floorDivDims, mulDims, subDims } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';

const { ops, defineOp } = opFamily('vision');

/** The operators of torchvision. */
export const torchvision = ops;

/** Columns `from` to `to` of a matrix. */
const columns = (context: LowerContext, matrix: TensorValue, from: number, to: number): TensorValue =>
  context.slice(matrix, 1, from, to, 1, to - from);

defineOp(
  'torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
  (context, { dets, scores, iou_threshold: threshold }) => {
    requireRank(context, dets, 2);
    requireRank(context, scores, 1);
    const count = dets.shape[0] ?? 1;
    const inputs = [
      context.reshape(context.cast(dets, 'float32'), [1, count, 4]),
      context.reshape(context.cast(scores, 'float32'), [1, 1, count]),
      context.ints([count]),
      context.constant([threshold], 'float32', [1]),
    ];
    // Each row is (batch, class, box).
    const kept = context.node('NonMaxSuppression', inputs, { dtype: 'int64', shape: [null, 3] });
    return context.reshape(columns(context, kept, 2, 3), [kept.shape[0] ?? 1]);
  },
);

defineOp(
  'torchvision::roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, int sampling_ratio, bool aligned) -> Tensor',
  (context, { input, rois, spatial_scale: scale, pooled_height: height, pooled_width: width, ...args }) => {
    requireRank(context, input, 4);
    requireRank(context, rois, 2);
    const count = rois.shape[0] ?? 1;
    const batch = context.reshape(context.cast(columns(context, rois, 0, 1), 'int64'), [count]);
    const boxes = context.cast(columns(context, rois, 1, 5), input.dtype);
    return context.node('RoiAlign', [input, boxes, batch], {
      shape: [count, input.shape[1] ?? 1, height, width],
      attributes: {
        coordinate_transformation_mode: str(args.aligned ? 'half_pixel' : 'output_half_pixel'),
        mode: str('avg'),
        output_height: int(height),
        output_width: int(width),
        sampling_ratio: int(Math.max(args.sampling_ratio, 0)),
        spatial_scale: float(scale),
      },
    });
  },
);

defineOp(
  'torchvision::deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, int stride_h, int stride_w, int pad_h, int pad_w, int dilation_h, int dilation_w, int groups, int offset_groups, bool use_mask) -> Tensor',
  (context, { input, weight, offset, mask, bias, ...args }) => {
    requireRank(context, input, 4);
    const [batch = 1, , ...sizes] = input.shape;
    const [filters = 1, , ...kernel] = weight.shape;
    const [stride, padding, dilation] = [
      [args.stride_h, args.stride_w],
      [args.pad_h, args.pad_w],
      [args.dilation_h, args.dilation_w],
    ] as const;
    const outputs = sizes.map((size, i) => {
      const [extent = 1, step = 1, gap = 1] = [kernel[i], stride[i], dilation[i]];
      const reach = mulDims(subDims(extent, 1), gap);
      return addDims(floorDivDims(subDims(addDims(size, 2 * (padding[i] ?? 0) - 1), reach), step), 1);
    });
    return context.node(
      'DeformConv',
      args.use_mask ? [input, weight, offset, bias, mask] : [input, weight, offset, bias],
      {
        shape: [batch, filters, ...outputs],
        attributes: {
          strides: ints(stride),
          pads: ints([...padding, ...padding]),
          dilations: ints(dilation),
          group: int(args.groups),
          offset_group: int(args.offset_groups),
        },
      },
    );
  },
);
