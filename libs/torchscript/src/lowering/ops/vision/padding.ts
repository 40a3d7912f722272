import { str } from '../../attributes.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { requireRank } from '../../spatial.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, maxDims, minDims, mulDims, subDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { Scalar, TensorValue } from '../../../symbolic/values.ts';

const { ops, defineOp } = opFamily('vision');

/** Padding and cropping. */
export const padding = ops;

/** PyTorch's padding modes and ONNX's names for them. */
const MODES: Readonly<Partial<Record<string, string>>> = {
  constant: 'constant',
  reflect: 'reflect',
  replicate: 'edge',
  circular: 'wrap',
};

/** `pad` lists (before, after) for the last axis, then for the axis before it, … Negative numbers remove elements. */
export function pad(
  context: LowerContext,
  self: TensorValue,
  amounts: readonly Dim[],
  mode: string,
  value: Scalar | null = null,
): TensorValue {
  const kind = MODES[mode];
  if (kind === undefined)
    return context.unsupported(`padding mode ${mode}`, 'use constant, reflect, replicate or circular');
  const { rank } = self;
  if (amounts.length > 2 * rank)
    return context.unsupported(
      `padding ${amounts.length / 2} axes of a tensor of rank ${rank}`,
      'check the rank of the input',
    );
  if (amounts.every((amount) => amount === 0)) return copyOf(self);
  const at = (axis: number, side: number): Dim => amounts[2 * (rank - 1 - axis) + side] ?? 0;
  const axes = self.shape.map((_, axis) => axis);
  const before = axes.map((axis) => at(axis, 0));
  const after = axes.map((axis) => at(axis, 1));
  // The other modes accept only signals, images and volumes with a channel axis.
  if (kind !== 'constant') requireRank(context, self, amounts.length / 2 + 2, amounts.length / 2 + 1);
  if (kind === 'constant') {
    // Zeros are the default of ONNX's third input.
    const filler = value === null || value === 0n || value === 0 ? [] : [context.scalar(value, self.dtype)];
    return padded(context, self, before, after, kind, filler);
  }
  // Reflections use the elements that negative amounts remove. Circular padding does not.
  const grown = (tensor: TensorValue): TensorValue =>
    padded(context, tensor, before.map(positive), after.map(positive), kind, []);
  return kind === 'wrap' ? grown(crop(context, self, before, after)) : crop(context, grown(self), before, after);
}

const positive = (amount: Dim): Dim => maxDims(amount, 0);

function padded(
  context: LowerContext,
  self: TensorValue,
  before: readonly Dim[],
  after: readonly Dim[],
  mode: string,
  filler: readonly TensorValue[],
): TensorValue {
  if ([...before, ...after].every((amount) => amount === 0)) return self;
  return context.node('Pad', [self, context.ints([...before, ...after]), ...filler], {
    shape: self.shape.map((size, axis) => addDims(size, addDims(before[axis] ?? 0, after[axis] ?? 0))),
    attributes: { mode: str(mode) },
  });
}

/** Removes the elements for which the amounts are negative. */
function crop(context: LowerContext, self: TensorValue, before: readonly Dim[], after: readonly Dim[]): TensorValue {
  return self.shape.reduce<TensorValue>((tensor, _, axis) => {
    const start = mulDims(minDims(before[axis] ?? 0, 0), -1);
    const size = tensor.shape[axis] ?? 0;
    const end = addDims(size, minDims(after[axis] ?? 0, 0));
    return start === 0 && end === size ? tensor : context.slice(tensor, axis, start, end, 1, subDims(end, start));
  }, self);
}

defineOp('aten::pad(Tensor self, SymInt[] pad, str mode="constant", float? value=None) -> Tensor', (context, args) =>
  pad(context, args.self, args.pad, args.mode, args.value),
);
defineOp('aten::constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor', (context, args) =>
  pad(context, args.self, args.pad, 'constant', args.value),
);
defineOp('aten::_pad_circular(Tensor self, SymInt[] pad) -> Tensor', (context, args) =>
  pad(context, args.self, args.pad, 'circular'),
);
defineOp('aten::_pad_enum(Tensor self, SymInt[] pad, int mode, float? value=None) -> Tensor', (context, args) =>
  pad(context, args.self, args.pad, ['constant', 'reflect', 'replicate', 'circular'][args.mode] ?? '', args.value),
);
defineOp('aten::reflection_pad1d(Tensor self, SymInt[2] padding) -> Tensor', (context, { self, padding: amounts }) =>
  pad(context, self, amounts, 'reflect'),
);
defineOp('aten::reflection_pad2d(Tensor self, SymInt[4] padding) -> Tensor', (context, { self, padding: amounts }) =>
  pad(context, self, amounts, 'reflect'),
);
defineOp('aten::reflection_pad3d(Tensor self, SymInt[6] padding) -> Tensor', (context, { self, padding: amounts }) =>
  pad(context, self, amounts, 'reflect'),
);
defineOp('aten::replication_pad1d(Tensor self, SymInt[2] padding) -> Tensor', (context, { self, padding: amounts }) =>
  pad(context, self, amounts, 'replicate'),
);
defineOp('aten::replication_pad2d(Tensor self, SymInt[4] padding) -> Tensor', (context, { self, padding: amounts }) =>
  pad(context, self, amounts, 'replicate'),
);
defineOp('aten::replication_pad3d(Tensor self, SymInt[6] padding) -> Tensor', (context, { self, padding: amounts }) =>
  pad(context, self, amounts, 'replicate'),
);
