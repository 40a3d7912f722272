import { int, ints } from '../../attributes.ts';
import { splitParts } from '../../complex.ts';
import { opFamily } from '../../define-op.ts';
import { maxDims, mulDims, addDims, subDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { pad } from '../vision/padding.ts';
import { centredWindow } from './stft.ts';
import { waves } from './waves.ts';

const { ops, defineOp } = opFamily('signal');

/** The inverse of the short-time Fourier transform. */
export const inverseStft = ops;

/** Adds frames [batch, channels, frames] at their places: each becomes the sum of its channels' `patterns` [channels, size]. */
function overlapped(
  context: LowerContext,
  frames: TensorValue,
  patterns: TensorValue,
  { size, hop }: { readonly size: number; readonly hop: number },
): TensorValue {
  const [batch = 1, , count = 1] = frames.shape;
  const weight = context.reshape(patterns, [patterns.shape[0] ?? 1, 1, size]);
  return context.node('ConvTranspose', [frames, weight], {
    shape: [batch, 1, addDims(mulDims(subDims(count, 1), hop), size)],
    attributes: { strides: ints([hop]) },
  });
}

defineOp(
  'aten::istft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, bool normalized=False, bool? onesided=None, SymInt? length=None, bool return_complex=False) -> Tensor',
  (context, args) => {
    const { self, n_fft: size, length } = args;
    if (args.return_complex) return context.unsupported('istft with a complex result', 'use return_complex=False');
    const hop = args.hop_length ?? Math.floor(size / 4);
    const windowSize = args.win_length ?? size;
    const half = Math.floor(size / 2);
    const bins = half + 1;
    const isWhole = args.onesided === false;
    const { re, im } = splitParts(context, self);
    context.require(self.shape[self.rank - 2] ?? 1, isWhole ? size : bins);
    // The signal is real, so PyTorch reads only the lower half of the frequencies.
    const lower = (part: TensorValue): TensorValue =>
      isWhole ? context.slice(part, self.rank - 2, 0, bins, 1, bins) : part;
    const frames = self.shape.at(-1) ?? 1;
    const batch = self.rank === 2 ? 1 : (self.shape[0] ?? 1);
    const columns = [re, im].map((part) => context.reshape(lower(part), [batch, bins, frames]));
    const both = context.node('Concat', columns, {
      shape: [batch, 2 * bins, frames],
      attributes: { axis: int(1) },
    });
    const window = args.window ?? context.constant(new Array<number>(windowSize).fill(1), 'float64', [windowSize]);
    const centred = context.cast(centredWindow(context, window, windowSize, size), 'float64');
    // The half of the frequencies that is not there is the conjugate of the other: all but the first and the middle one count twice.
    const alone = (bin: number): boolean => bin === 0 || 2 * bin === size;
    const norm = args.normalized ? Math.sqrt(size) : size;
    const counts = context.constant(
      Array.from({ length: bins }, (_, bin) => (alone(bin) ? 1 : 2) / norm),
      'float64',
      [bins, 1],
    );
    const { cosines, sines } = waves(context, bins, size, size);
    const patterns = [cosines, context.node('Neg', [sines])].map((wave) =>
      context.node('Mul', [context.node('Mul', [wave, counts]), centred]),
    );
    const basis = context.node('Concat', patterns, { shape: [2 * bins, size], attributes: { axis: int(0) } });
    const { dtype } = both;
    const sum = overlapped(context, both, context.cast(basis, dtype), { size, hop });
    const ones = context.expand(context.reshape(context.scalar(1, dtype), [1, 1, 1]), [1, 1, frames]);
    const squares = context.reshape(context.cast(context.node('Mul', [centred, centred]), dtype), [1, size]);
    const envelope = overlapped(context, ones, squares, { size, hop });

    const start = args.center ? half : 0;
    const whole = sum.shape[2] ?? 1;
    const end: Dim = subDims(whole, start);
    const cut = (tensor: TensorValue): TensorValue => {
      const wanted = length === null ? subDims(end, start) : length;
      const missing = maxDims(subDims(addDims(start, wanted), whole), 0);
      const wide = length === null ? tensor : pad(context, tensor, [0, missing], 'constant');
      return context.slice(wide, 2, start, addDims(start, wanted), 1, wanted);
    };
    const [signal, weights] = [cut(sum), cut(envelope)];
    // Beyond the last frame both are 0, and so is PyTorch's result.
    const beyond = context.node('Equal', [weights, context.scalar(0, dtype)], { dtype: 'bool', shape: weights.shape });
    const safe = context.node('Where', [beyond, context.scalar(1, dtype), weights], { dtype, shape: weights.shape });
    const result = context.node('Div', [signal, safe]);
    const points = result.shape[2] ?? 1;
    return context.reshape(result, self.rank === 2 ? [points] : [batch, points]);
  },
  { limits: 'complex results are refused; windows that leave a sample without weight are not detected' },
);
