import { int, ints } from '../../attributes.ts';
import { complexOf } from '../../complex.ts';
import { opFamily } from '../../define-op.ts';
import { requireFloating } from '../../spatial.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, floorDivDims } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { pad } from '../vision/padding.ts';
import { waves } from './waves.ts';

const { ops, defineOp } = opFamily('signal');

/** The short-time Fourier transform. */
export const stftOps = ops;

interface StftArguments {
  readonly self: TensorValue;
  readonly n_fft: number;
  readonly hop_length: number | null;
  readonly win_length: number | null;
  readonly window: TensorValue | null;
  readonly normalized: boolean;
  readonly onesided: boolean | null;
  readonly return_complex: boolean | null;
}

/** The window padded with zeros on both sides to `size` elements. */
export function centredWindow(context: LowerContext, window: TensorValue, length: number, size: number): TensorValue {
  const left = Math.floor((size - length) / 2);
  return size === length ? window : pad(context, window, [left, size - length - left], 'constant');
}

/** `self` is [L] or [batch, L]. The result is [batch, bins, frames, 2], or complex [batch, bins, frames]. */
function stft(context: LowerContext, args: StftArguments): TensorValue {
  const { self, n_fft: size } = args;
  requireFloating(context, self);
  const hop = args.hop_length ?? Math.floor(size / 4);
  const length = args.win_length ?? size;
  const bins = args.onesided === false ? size : Math.floor(size / 2) + 1;
  const window = args.window ?? context.constant(new Array<number>(length).fill(1), 'float64', [length]);
  const centred = context.cast(centredWindow(context, window, length, size), 'float64');
  const scaled = args.normalized
    ? context.node('Mul', [centred, context.scalar(1 / Math.sqrt(size), 'float64')])
    : centred;
  const { cosines, sines } = waves(context, bins, size, size);
  const basis = context.node('Concat', [cosines, context.node('Neg', [sines])], {
    shape: [2 * bins, size],
    attributes: { axis: int(0) },
  });
  const weight = context.reshape(context.cast(context.node('Mul', [basis, scaled]), self.dtype), [2 * bins, 1, size]);
  const [batch = 1, samples = 1] = self.rank === 1 ? [1, ...self.shape] : self.shape;
  const frames = addDims(floorDivDims(addDims(samples, -size), hop), 1);
  // A convolution with the hop as stride computes the products of each frame with all waves.
  const products = context.node('Conv', [context.reshape(self, [batch, 1, samples]), weight], {
    shape: [batch, 2 * bins, frames],
    attributes: { strides: ints([hop]) },
  });
  const split = context.transpose(context.reshape(products, [batch, 2, bins, frames]), [0, 2, 3, 1]);
  const parts = self.rank === 1 ? context.reshape(split, [bins, frames, 2]) : split;
  return args.return_complex === true ? complexOf(context, parts) : parts;
}

defineOp(
  'aten::stft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor',
  stft,
  { limits: 'complex input is refused' },
);
defineOp(
  'aten::stft.center(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, str pad_mode="reflect", bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor',
  (context, args) => {
    const half = Math.floor(args.n_fft / 2);
    const self = args.center ? pad(context, args.self, [half, half], args.pad_mode) : args.self;
    return stft(context, { ...args, self });
  },
);
