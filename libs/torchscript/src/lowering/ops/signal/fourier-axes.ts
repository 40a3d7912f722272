import { int } from '../../attributes.ts';
import { isComplex, joinParts, splitParts } from '../../complex.ts';
import { opFamily } from '../../define-op.ts';
import { rangeOf } from '../../dims.ts';
import { addDims, floorDivDims, subDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { fromHalf, transform } from './fourier.ts';

const { ops, defineOp } = opFamily('signal');

/** Discrete Fourier transforms along several axes, one after another, and the order of frequencies. */
export const fourierAxes = ops;

interface AxesArguments {
  readonly self: TensorValue;
  /** Points along each axis; -1 or null: those that it has. */
  readonly s: readonly Dim[] | null;
  readonly dim: readonly number[] | null;
  readonly norm: string | null;
}

interface Axis {
  readonly dim: number;
  readonly n: Dim | null;
}

/** The axes of a transform. Without `dim` they are the last ones that `s` has sizes for, or all. */
function axesOf(context: LowerContext, { self, s, dim }: AxesArguments): Axis[] {
  const { rank } = self;
  const dims = dim ?? rangeOf(rank).slice(s === null ? 0 : rank - s.length);
  return dims.map((each, i) => ({ dim: context.axis(each, rank), n: s?.[i] === -1 ? null : (s?.[i] ?? null) }));
}

type Along = (self: TensorValue, axis: Axis) => TensorValue;

function alongAll(axes: readonly Axis[], self: TensorValue, apply: Along): TensorValue {
  return axes.reduce<TensorValue>(apply, self);
}

/** The last of the axes, which has half of the frequencies, and the others. */
function lastOf(context: LowerContext, axes: readonly Axis[]): readonly [others: readonly Axis[], last: Axis] {
  const last = axes.at(-1);
  return last === undefined
    ? context.unsupported('a Fourier transform without an axis', 'PyTorch fails here too')
    : [axes.slice(0, -1), last];
}

const lowerings: Readonly<Record<string, (context: LowerContext, args: AxesArguments) => TensorValue>> = {
  fft: (context, args) => alongAll(axesOf(context, args), args.self, complexAlong(context, args, false)),
  ifft: (context, args) => alongAll(axesOf(context, args), args.self, complexAlong(context, args, true)),
  rfft: (context, args) => {
    const [others, last] = lastOf(context, axesOf(context, args));
    const half = transform(context, { ...last, self: args.self, norm: args.norm }, true, false);
    return alongAll(others, half, complexAlong(context, args, false));
  },
  irfft: (context, args) => {
    const [others, last] = lastOf(context, axesOf(context, args));
    const self = alongAll(others, args.self, complexAlong(context, args, true));
    return fromHalf(context, { ...last, self, norm: args.norm });
  },
};

function complexAlong(context: LowerContext, { norm }: AxesArguments, inverse: boolean): Along {
  return (self, axis) => transform(context, { ...axis, self, norm }, false, inverse);
}

for (const [name, lower] of Object.entries(lowerings)) {
  defineOp(
    `aten::fft_${name}2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor`,
    (context, args) => lower(context, args),
  );
  defineOp(
    `aten::fft_${name}n(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor`,
    (context, args) => lower(context, args),
  );
}

/** The elements of an axis from `start` on, and then those before it. */
function rotated(context: LowerContext, self: TensorValue, axis: number, start: Dim): TensorValue {
  if (isComplex(self.dtype)) {
    const { re, im } = splitParts(context, self);
    return joinParts(context, { re: rotated(context, re, axis, start), im: rotated(context, im, axis, start) });
  }
  const size = self.shape[axis] ?? 1;
  const parts = [
    context.slice(self, axis, start, size, 1, subDims(size, start)),
    context.slice(self, axis, 0, start, 1, start),
  ];
  return context.node('Concat', parts, { shape: self.shape, attributes: { axis: int(axis) } });
}

for (const inverse of [false, true]) {
  defineOp(
    `aten::fft_${inverse ? 'i' : ''}fftshift(Tensor self, int[1]? dim=None) -> Tensor`,
    (context, { self, dim }) =>
      (dim ?? rangeOf(self.rank))
        .map((each) => context.axis(each, self.rank))
        .reduce((tensor, axis) => {
          const size = tensor.shape[axis] ?? 1;
          return rotated(context, tensor, axis, floorDivDims(inverse ? size : addDims(size, 1), 2));
        }, self),
  );
}
