import { flag, str } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { requireRank } from '../../spatial.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';

const { ops, defineOp } = opFamily('vision');

/** Sampling at positions from a tensor. */
export const sampling = ops;

const INTERPOLATIONS = ['linear', 'nearest', 'cubic'];
/** The ranks of a grid for images and for volumes. */
const GRID_RANKS = [4, 5];
const PADDINGS = ['zeros', 'border', 'reflection'];

interface GridArguments {
  readonly input: TensorValue;
  readonly grid: TensorValue;
  readonly interpolation_mode: number;
  readonly padding_mode: number;
  readonly align_corners: boolean;
}

/** `input` is [N, C, …in]. `grid` is [N, …out, axes], with positions from -1 to 1 and x first. */
function gridSample(context: LowerContext, args: GridArguments): TensorValue {
  const { input, grid, align_corners: align } = args;
  requireRank(context, input, grid.rank);
  if (!GRID_RANKS.includes(grid.rank))
    context.unsupported(`a grid of rank ${grid.rank}`, 'pass a grid of rank 4 (images) or 5 (volumes)');
  const mode = INTERPOLATIONS[args.interpolation_mode] ?? '';
  if (mode === 'cubic' && input.rank !== 4)
    return context.unsupported('bicubic sampling of a volume', 'use mode="bilinear"');
  const [batch = 1, channels = 1] = input.shape;
  return context.node('GridSample', [input, context.cast(grid, input.dtype)], {
    shape: [batch, channels, ...grid.shape.slice(1, -1)],
    attributes: { mode: str(mode), padding_mode: str(PADDINGS[args.padding_mode] ?? ''), align_corners: flag(align) },
  });
}

defineOp(
  'aten::grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor',
  gridSample,
);
defineOp(
  'aten::grid_sampler_2d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor',
  gridSample,
);
defineOp(
  'aten::grid_sampler_3d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor',
  gridSample,
);

defineOp(
  'aten::affine_grid_generator(Tensor theta, SymInt[] size, bool align_corners) -> Tensor',
  (context, { theta, size, align_corners: align }) => {
    const [batch = 1, , ...sizes] = size;
    return context.node('AffineGrid', [theta, context.ints(size)], {
      shape: [batch, ...sizes, sizes.length],
      attributes: { align_corners: flag(align) },
    });
  },
);
