import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, floorDivDims, maxDims, subDims, SymInt, type Dim } from '../../../symbolic/sym-int.ts';
import { SymBool, SymFloat, type Scalar, type TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { toDim } from '../../dims.ts';
import { opFamily } from '../../define-op.ts';
import { positions } from '../../positions.ts';

const { ops, defineOp } = opFamily('creation');

/** Sequences of numbers and matrices made of them. */
export const sequences = ops;

/** Sequences up to this length become constants. */
const MAX_WRITTEN = 64;

const isFloat = (value: Scalar): boolean => typeof value === 'number' || value instanceof SymFloat;
const isKnown = (value: Scalar): value is bigint | number | boolean => typeof value !== 'object';

/** `start`, `start + step`, … up to `end` (excluded). */
function arange(
  context: LowerContext,
  start: Scalar,
  end: Scalar,
  step: Scalar,
  given: ScalarType | null,
): TensorValue {
  const float = [start, end, step].some(isFloat);
  const dtype = given ?? (float ? 'float32' : 'int64');
  const held = float ? 'float64' : 'int64';
  const size = countOf(start, end, step);
  if (typeof size === 'number' && size <= MAX_WRITTEN && isKnown(start) && isKnown(step)) {
    const values = Array.from({ length: size }, (_, i) =>
      float ? Number(start) + i * Number(step) : BigInt(start) + BigInt(i) * BigInt(step),
    );
    return context.cast(context.constant(values, held, [size]), dtype);
  }
  const [first, stride] = [toDim(start), toDim(step)];
  if (typeof stride === 'number' && stride < 0 && first !== undefined && size !== null) {
    return context.cast(positions(context, size, { start: first, step: stride }), dtype);
  }
  const bounds = [start, end, step].map((value) => context.scalar(value, held));
  return context.cast(context.node('Range', bounds, { dtype: held, shape: [size] }), dtype);
}

/** The number of elements of an arange. Null if it is known only at run time. */
function countOf(start: Scalar, end: Scalar, step: Scalar): Dim | null {
  if (isKnown(start) && isKnown(end) && isKnown(step)) {
    return Math.max(0, Math.ceil((Number(end) - Number(start)) / Number(step)));
  }
  if ([start, end, step].some((value) => isFloat(value) || value instanceof SymBool) || !isKnown(step)) return null;
  const dim = (value: Scalar): Dim => (value instanceof SymInt ? value : Number(value as bigint));
  const stride = Number(step);
  const span = stride > 0 ? subDims(dim(end), dim(start)) : subDims(dim(start), dim(end));
  return maxDims(floorDivDims(addDims(span, Math.abs(stride) - 1), Math.abs(stride)), 0);
}

defineOp(
  'aten::arange(Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { end, dtype }) => arange(context, 0n, end, 1n, dtype),
);
defineOp(
  'aten::arange.start(Scalar start, Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { start, end, dtype }) => arange(context, start, end, 1n, dtype),
);
defineOp(
  'aten::arange.start_step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { start, end, step, dtype }) => arange(context, start, end, step, dtype),
);

/** `steps` numbers from `start` to `end`, both included. Computed from both ends towards the middle, as PyTorch does. */
function linspace(
  context: LowerContext,
  start: Scalar,
  end: Scalar,
  steps: Dim,
  dtype: ScalarType | null,
): TensorValue {
  const type = dtype ?? 'float32';
  if (isKnown(start) && isKnown(end) && typeof steps === 'number') {
    const round = type === 'float64' ? (value: number): number => value : Math.fround;
    const [from, to] = [round(Number(start)), round(Number(end))];
    const step = round((to - from) / Math.max(steps - 1, 1));
    const values = Array.from({ length: steps }, (_, i) =>
      i < steps / 2 ? round(from + round(step * i)) : round(to - round(step * (steps - 1 - i))),
    );
    return context.cast(context.constant(values, 'float64', [steps]), type);
  }
  const index = context.cast(positions(context, steps), 'float64');
  const [from, to] = [context.scalar(start, 'float64'), context.scalar(end, 'float64')];
  const last = maxDims(subDims(steps, 1), 1);
  const gaps = context.scalar(last instanceof SymInt ? last : BigInt(last), 'float64');
  const span = context.node('Sub', [to, from]);
  const walked = context.node('Mul', [index, context.node('Div', [span, gaps])], { shape: [steps] });
  return context.cast(context.node('Add', [walked, from], { shape: [steps] }), type);
}

defineOp(
  'aten::linspace(Scalar start, Scalar end, SymInt steps, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { start, end, steps, dtype }) => linspace(context, start, end, steps, dtype),
);
defineOp(
  'aten::logspace(Scalar start, Scalar end, SymInt steps, float base=10.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { start, end, steps, base, dtype }) => {
    const exponents = linspace(context, start, end, steps, 'float64');
    const powers = context.node('Pow', [context.scalar(base, 'float64'), exponents], { shape: [steps] });
    return context.cast(powers, dtype ?? 'float32');
  },
);

function eye(context: LowerContext, rows: Dim, columns: Dim, dtype: ScalarType | null): TensorValue {
  const down = context.reshape(positions(context, rows), [rows, 1]);
  const same = context.node('Equal', [down, positions(context, columns)], { dtype: 'bool', shape: [rows, columns] });
  return context.cast(same, dtype ?? 'float32');
}

defineOp(
  'aten::eye(SymInt n, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { n, dtype }) => eye(context, n, n, dtype),
);
defineOp(
  'aten::eye.m(SymInt n, SymInt m, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { n, m, dtype }) => eye(context, n, m, dtype),
);

/** Row and column numbers of the elements of a triangle: INT64 [2, count]. */
function triangle(
  context: LowerContext,
  options: {
    readonly rows: number;
    readonly columns: number;
    readonly inside: (row: number, column: number) => boolean;
  },
  dtype: ScalarType | null,
): TensorValue {
  const { rows, columns, inside } = options;
  const places = Array.from(
    { length: rows * columns },
    (_, i) => [Math.floor(i / columns), i % columns] as const,
  ).filter(([row, column]) => inside(row, column));
  const flat = [...places.map(([row]) => BigInt(row)), ...places.map(([, column]) => BigInt(column))];
  return context.constant(flat, dtype ?? 'int64', [2, places.length]);
}

defineOp(
  'aten::tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { row, col, offset, dtype }) =>
    triangle(context, { rows: row, columns: col, inside: (r, c) => c - r <= offset }, dtype),
);
defineOp(
  'aten::triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { row, col, offset, dtype }) =>
    triangle(context, { rows: row, columns: col, inside: (r, c) => c - r >= offset }, dtype),
);
