import type { OnnxAttribute } from '@sconce/onnx';

import { flag, float, str } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { requireFloating, requireRank } from '../../spatial.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { resizeNearest } from './nearest.ts';
import { ratio, resizedAxes, type ResizedAxis } from './resized-sizes.ts';

const { ops, defineOp } = opFamily('vision');

/** Resizing of [N, C, …]. `torch.nn.functional.interpolate` calls these operators. */
export const resizing = ops;

type Mode = 'nearest' | 'nearest-exact' | 'linear' | 'cubic';

interface ResizeOptions {
  readonly mode: Mode;
  readonly alignCorners?: boolean;
  readonly antialias?: boolean;
}

/** The target as sizes or factors, one for each spatial axis. If both are given, the factors map positions. */
interface ResizeTarget {
  readonly sizes: readonly Dim[] | null;
  readonly factors: readonly (number | null)[] | null;
}

function resize(context: LowerContext, input: TensorValue, target: ResizeTarget, options: ResizeOptions): TensorValue {
  const { mode, antialias = false } = options;
  requireRank(context, input, 2 + (target.sizes ?? target.factors ?? []).length);
  const axes = resizedAxes(context, input.shape.slice(2), target.sizes, target.factors);
  if (mode === 'nearest' || mode === 'nearest-exact')
    return resizeNearest(context, input, axes, mode === 'nearest-exact');
  requireFloating(context, input);
  const alignCorners = options.alignCorners ?? false;
  if (alignCorners && antialias) {
    return context.unsupported(
      'antialias=True with align_corners=True',
      'use align_corners=False, which is the default',
    );
  }
  const attributes: Record<string, OnnxAttribute> = {
    mode: str(mode),
    coordinate_transformation_mode: str(alignCorners ? 'align_corners' : 'half_pixel'),
  };
  if (antialias) Object.assign(attributes, { antialias: flag(true), exclude_outside: flag(true) });
  if (mode === 'cubic') attributes['cubic_coeff_a'] = float(antialias ? -0.5 : -0.75);
  const shape = [...input.shape.slice(0, 2), ...axes.map(({ to }) => to)];
  // With align_corners the corners map to each other, whatever the factor is.
  if (alignCorners || axes.every(({ factor }) => factor === undefined)) {
    return context.node('Resize', [input, null, null, context.ints(shape)], { shape, attributes });
  }
  const scales = axes.map(factorOf);
  if (scales.some((scale) => scale === undefined)) {
    return context.unsupported('a scale factor for one axis and a size for another', 'give sizes for all axes');
  }
  return context.node(
    'Resize',
    [input, null, context.constant([1, 1, ...(scales as number[])], 'float32', [shape.length])],
    {
      shape,
      attributes,
    },
  );
}

/** The factor of an axis for Resize, which computes the size in float32. If that gives a wrong size, the factor is corrected by a few bits. */
function factorOf({ from, to, factor }: ResizedAxis): number | undefined {
  const wanted = factor ?? ratio(from, to);
  if (wanted === undefined || typeof from !== 'number' || typeof to !== 'number') return wanted;
  let scale = Math.fround(wanted);
  for (let i = 0; i < 8; i++) {
    const got = Math.floor(Math.fround(scale * from));
    if (got === to) break;
    scale = Math.fround(scale * (got < to ? 1 + 2 ** -23 : 1 - 2 ** -23));
  }
  return scale;
}

defineOp(
  'aten::upsample_nearest1d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor',
  (context, args) =>
    resize(context, args.input, { sizes: args.output_size, factors: args.scale_factors }, { mode: 'nearest' }),
);
defineOp(
  'aten::upsample_nearest2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor',
  (context, args) =>
    resize(context, args.input, { sizes: args.output_size, factors: args.scale_factors }, { mode: 'nearest' }),
);
defineOp(
  'aten::upsample_nearest3d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor',
  (context, args) =>
    resize(context, args.input, { sizes: args.output_size, factors: args.scale_factors }, { mode: 'nearest' }),
);
defineOp(
  'aten::upsample_nearest1d(Tensor self, SymInt[1] output_size, float? scales=None) -> Tensor',
  (context, args) =>
    resize(context, args.self, { sizes: args.output_size, factors: [args.scales] }, { mode: 'nearest' }),
);
defineOp(
  'aten::upsample_nearest2d(Tensor self, SymInt[2] output_size, float? scales_h=None, float? scales_w=None) -> Tensor',
  (context, { self, output_size: sizes, scales_h: h, scales_w: w }) =>
    resize(context, self, { sizes, factors: [h, w] }, { mode: 'nearest' }),
);
defineOp(
  'aten::upsample_nearest3d(Tensor self, SymInt[3] output_size, float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor',
  (context, { self, output_size: sizes, scales_d: d, scales_h: h, scales_w: w }) =>
    resize(context, self, { sizes, factors: [d, h, w] }, { mode: 'nearest' }),
);

defineOp(
  'aten::_upsample_nearest_exact1d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor',
  (context, args) =>
    resize(context, args.input, { sizes: args.output_size, factors: args.scale_factors }, { mode: 'nearest-exact' }),
);
defineOp(
  'aten::_upsample_nearest_exact2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor',
  (context, args) =>
    resize(context, args.input, { sizes: args.output_size, factors: args.scale_factors }, { mode: 'nearest-exact' }),
);
defineOp(
  'aten::_upsample_nearest_exact3d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor',
  (context, args) =>
    resize(context, args.input, { sizes: args.output_size, factors: args.scale_factors }, { mode: 'nearest-exact' }),
);
defineOp(
  'aten::_upsample_nearest_exact1d(Tensor self, SymInt[1] output_size, float? scales=None) -> Tensor',
  (context, args) =>
    resize(context, args.self, { sizes: args.output_size, factors: [args.scales] }, { mode: 'nearest-exact' }),
);
defineOp(
  'aten::_upsample_nearest_exact2d(Tensor self, SymInt[2] output_size, float? scales_h=None, float? scales_w=None) -> Tensor',
  (context, { self, output_size: sizes, scales_h: h, scales_w: w }) =>
    resize(context, self, { sizes, factors: [h, w] }, { mode: 'nearest-exact' }),
);
defineOp(
  'aten::_upsample_nearest_exact3d(Tensor self, SymInt[3] output_size, float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor',
  (context, { self, output_size: sizes, scales_d: d, scales_h: h, scales_w: w }) =>
    resize(context, self, { sizes, factors: [d, h, w] }, { mode: 'nearest-exact' }),
);

defineOp(
  'aten::upsample_linear1d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor',
  (context, { input, output_size: sizes, align_corners: alignCorners, scale_factors: factors }) =>
    resize(context, input, { sizes, factors }, { mode: 'linear', alignCorners }),
);
defineOp(
  'aten::upsample_bilinear2d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor',
  (context, { input, output_size: sizes, align_corners: alignCorners, scale_factors: factors }) =>
    resize(context, input, { sizes, factors }, { mode: 'linear', alignCorners }),
);
defineOp(
  'aten::upsample_trilinear3d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor',
  (context, { input, output_size: sizes, align_corners: alignCorners, scale_factors: factors }) =>
    resize(context, input, { sizes, factors }, { mode: 'linear', alignCorners }),
);
defineOp(
  'aten::upsample_bicubic2d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor',
  (context, { input, output_size: sizes, align_corners: alignCorners, scale_factors: factors }) =>
    resize(context, input, { sizes, factors }, { mode: 'cubic', alignCorners }),
);
defineOp(
  'aten::_upsample_bilinear2d_aa.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor',
  (context, { input, output_size: sizes, align_corners: alignCorners, scale_factors: factors }) =>
    resize(context, input, { sizes, factors }, { mode: 'linear', alignCorners, antialias: true }),
);
defineOp(
  'aten::_upsample_bicubic2d_aa.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor',
  (context, { input, output_size: sizes, align_corners: alignCorners, scale_factors: factors }) =>
    resize(context, input, { sizes, factors }, { mode: 'cubic', alignCorners, antialias: true }),
);
defineOp(
  'aten::upsample_linear1d(Tensor self, SymInt[1] output_size, bool align_corners, float? scales=None) -> Tensor',
  (context, { self, output_size: sizes, align_corners: alignCorners, scales }) =>
    resize(context, self, { sizes, factors: [scales] }, { mode: 'linear', alignCorners }),
);
defineOp(
  'aten::upsample_bilinear2d(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor',
  (context, { self, output_size: sizes, align_corners: alignCorners, scales_h: h, scales_w: w }) =>
    resize(context, self, { sizes, factors: [h, w] }, { mode: 'linear', alignCorners }),
);
defineOp(
  'aten::upsample_trilinear3d(Tensor self, SymInt[3] output_size, bool align_corners, float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor',
  (context, { self, output_size: sizes, align_corners: alignCorners, scales_d: d, scales_h: h, scales_w: w }) =>
    resize(context, self, { sizes, factors: [d, h, w] }, { mode: 'linear', alignCorners }),
);
defineOp(
  'aten::upsample_bicubic2d(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor',
  (context, { self, output_size: sizes, align_corners: alignCorners, scales_h: h, scales_w: w }) =>
    resize(context, self, { sizes, factors: [h, w] }, { mode: 'cubic', alignCorners }),
);
defineOp(
  'aten::_upsample_bilinear2d_aa(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor',
  (context, { self, output_size: sizes, align_corners: alignCorners, scales_h: h, scales_w: w }) =>
    resize(context, self, { sizes, factors: [h, w] }, { mode: 'linear', alignCorners, antialias: true }),
);
defineOp(
  'aten::_upsample_bicubic2d_aa(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor',
  (context, { self, output_size: sizes, align_corners: alignCorners, scales_h: h, scales_w: w }) =>
    resize(context, self, { sizes, factors: [h, w] }, { mode: 'cubic', alignCorners, antialias: true }),
);
