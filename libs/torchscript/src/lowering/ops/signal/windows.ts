import { opFamily } from '../../define-op.ts';
import { rangeOf } from '../../dims.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';

const { ops, defineOp } = opFamily('signal');

/** Window functions for spectra. */
export const windows = ops;

/** A window that is a sum of cosines: `a - b cos(t) + c cos(2t)` for t from 0 to 2π. */
function cosineWindow(
  context: LowerContext,
  length: number,
  periodic: boolean,
  [a, b, c = 0]: readonly number[],
  dtype: ScalarType | null,
): TensorValue {
  const turn = (2 * Math.PI) / (periodic ? length : length - 1);
  const values = rangeOf(length).map((i) =>
    length === 1 ? 1 : (a ?? 0) - (b ?? 0) * Math.cos(turn * i) + c * Math.cos(2 * turn * i),
  );
  return context.constant(values, dtype ?? 'float32', [length]);
}

const HANN = [0.5, 0.5];
defineOp(
  'aten::hann_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { window_length: length, dtype }) => cosineWindow(context, length, true, HANN, dtype),
);
defineOp(
  'aten::hann_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { window_length: length, periodic, dtype }) => cosineWindow(context, length, periodic, HANN, dtype),
);
const HAMMING = [0.54, 0.46];
defineOp(
  'aten::hamming_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { window_length: length, dtype }) => cosineWindow(context, length, true, HAMMING, dtype),
);
defineOp(
  'aten::hamming_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { window_length: length, periodic, dtype }) => cosineWindow(context, length, periodic, HAMMING, dtype),
);
const BLACKMAN = [0.42, 0.5, 0.08];
defineOp(
  'aten::blackman_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { window_length: length, dtype }) => cosineWindow(context, length, true, BLACKMAN, dtype),
);
defineOp(
  'aten::blackman_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { window_length: length, periodic, dtype }) => cosineWindow(context, length, periodic, BLACKMAN, dtype),
);
