import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { subDims, type Dim } from '../../../symbolic/sym-int.ts';
import { asScalar } from '../../../symbolic/scalar-elements.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { binary, compare } from '../../arithmetic.ts';
import { flag, int } from '../../attributes.ts';
import { broadcastShapes } from '../../broadcast.ts';
import { runningSum } from '../../counting.ts';
import { opFamily } from '../../define-op.ts';
import { orderKeys } from '../../nan.ts';
import { asFloat, operandAs, type Operand } from '../../promotion.ts';
import { draw, drawExponential } from '../../random.ts';

const { ops, defineOp } = opFamily('creation');

/** Random numbers. ONNX Runtime draws them, so they differ from PyTorch's numbers. */
export const random = ops;

const LIMITS = { limits: 'ONNX Runtime draws the numbers: they differ from PyTorch’s, also with the same seed' };

defineOp(
  'aten::randn(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { size, dtype }) => draw(context, 'Normal', size, dtype ?? 'float32'),
  LIMITS,
);
defineOp(
  'aten::randn_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor',
  (context, { self, dtype }) => draw(context, 'Normal', self.shape, dtype ?? self.dtype),
  LIMITS,
);
defineOp(
  'aten::rand(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { size, dtype }) => draw(context, 'Uniform', size, dtype ?? 'float32'),
  LIMITS,
);
defineOp(
  'aten::rand_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor',
  (context, { self, dtype }) => draw(context, 'Uniform', self.shape, dtype ?? self.dtype),
  LIMITS,
);

/** 1 with the probability in `p`, otherwise 0. */
function bernoulli(context: LowerContext, size: readonly Dim[], p: TensorValue, dtype: ScalarType): TensorValue {
  return context.cast(compare(context, 'Less', draw(context, 'Uniform', size, p.dtype), p), dtype);
}

defineOp(
  'aten::bernoulli(Tensor self, *, Generator? generator=None) -> Tensor',
  (context, { self }) => bernoulli(context, self.shape, self, self.dtype),
  LIMITS,
);
defineOp(
  'aten::bernoulli.p(Tensor self, float p, *, Generator? generator=None) -> Tensor',
  (context, { self, p }) => bernoulli(context, self.shape, context.scalar(p, 'float32'), self.dtype),
  LIMITS,
);
defineOp(
  'aten::bernoulli_.Tensor(Tensor(a!) self, Tensor p, *, Generator? generator=None) -> Tensor(a!)',
  (context, { self, p }) => refill(context, self, bernoulli(context, self.shape, asFloat(context, p), self.dtype)),
  LIMITS,
);
defineOp(
  'aten::bernoulli_.float(Tensor(a!) self, float p=0.5, *, Generator? generator=None) -> Tensor(a!)',
  (context, { self, p }) =>
    refill(context, self, bernoulli(context, self.shape, context.scalar(p, 'float32'), self.dtype)),
  LIMITS,
);

/** Gives a tensor new elements in place. PyTorch has no out-of-place variant of these operators. */
function refill(context: LowerContext, self: TensorValue, values: TensorValue): TensorValue {
  const { content } = context.expand(context.cast(values, self.dtype), self.shape);
  context.heap.setTensor(self, { ...content, contiguous: self.content.contiguous });
  return self;
}

// ---- integers --------------------------------------------------------------------------------------------------------

/** Integers to draw: from `low` (included) to `high` (excluded). */
interface Range {
  readonly low: Dim;
  readonly high: Dim;
}

function drawIntegers(
  context: LowerContext,
  { low, high }: Range,
  size: readonly Dim[],
  dtype: ScalarType,
): TensorValue {
  const span = context.scalar(asScalar(subDims(high, low)), 'float64');
  const wide = binary(context, 'Mul', draw(context, 'Uniform', size, 'float64'), span);
  const whole = context.cast(context.node('Floor', [wide]), 'int64');
  return context.cast(binary(context, 'Add', whole, context.scalar(asScalar(low), 'int64')), dtype);
}
defineOp(
  'aten::randint(SymInt high, SymInt[] size, *, ScalarType? dtype=long, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { high, size, dtype }) => drawIntegers(context, { low: 0, high }, size, dtype ?? 'int64'),
  LIMITS,
);
defineOp(
  'aten::randint.low(SymInt low, SymInt high, SymInt[] size, *, ScalarType? dtype=long, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { low, high, size, dtype }) => drawIntegers(context, { low, high }, size, dtype ?? 'int64'),
  LIMITS,
);
defineOp(
  'aten::randint_like(Tensor self, SymInt high, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor',
  (context, { self, high, dtype }) => drawIntegers(context, { low: 0, high }, self.shape, dtype ?? self.dtype),
  LIMITS,
);
defineOp(
  'aten::randint_like.low_dtype(Tensor self, SymInt low, SymInt high, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor',
  (context, { self, low, high, dtype }) => drawIntegers(context, { low, high }, self.shape, dtype ?? self.dtype),
  LIMITS,
);
defineOp(
  'aten::random_.to(Tensor(a!) self, int to, *, Generator? generator=None) -> Tensor(a!)',
  (context, { self, to }) => refill(context, self, drawIntegers(context, { low: 0, high: to }, self.shape, 'int64')),
  LIMITS,
);
defineOp(
  'aten::random_.from(Tensor(a!) self, int from, int? to, *, Generator? generator=None) -> Tensor(a!)',
  (context, { self, from: low, to }) =>
    to === null
      ? context.unsupported('random_() without a bound', 'give the bound as a number')
      : refill(context, self, drawIntegers(context, { low, high: to }, self.shape, 'int64')),
  LIMITS,
);
defineOp(
  'aten::randperm(SymInt n, *, ScalarType? dtype=long, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { n, dtype }) => {
    const [, order = context.ints([])] = context.nodes(
      'TopK',
      [draw(context, 'Uniform', [n], 'float32'), context.ints([n])],
      [
        { dtype: 'float32', shape: [n] },
        { dtype: 'int64', shape: [n] },
      ],
      { attributes: { axis: int(0) } },
    );
    return context.cast(order, dtype ?? 'int64');
  },
  LIMITS,
);

// ---- distributions ---------------------------------------------------------------------------------------------------

/** `mean + std * z` with standard normal z. */
function normal(
  context: LowerContext,
  mean: Operand,
  std: Operand,
  size: readonly Dim[],
  dtype: ScalarType,
): TensorValue {
  const scaled = binary(context, 'Mul', draw(context, 'Normal', size, dtype), operandAs(context, std, dtype));
  return binary(context, 'Add', scaled, operandAs(context, mean, dtype));
}

defineOp(
  'aten::normal.Tensor_float(Tensor mean, float std=1, *, Generator? generator=None) -> Tensor',
  (context, { mean, std }) => normal(context, mean, std, mean.shape, mean.dtype),
  LIMITS,
);
defineOp(
  'aten::normal.float_Tensor(float mean, Tensor std, *, Generator? generator=None) -> Tensor',
  (context, { mean, std }) => normal(context, mean, std, std.shape, std.dtype),
  LIMITS,
);
defineOp(
  'aten::normal.Tensor_Tensor(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor',
  (context, { mean, std }) => normal(context, mean, std, broadcastShapes(context, mean.shape, std.shape), mean.dtype),
  LIMITS,
);
defineOp(
  'aten::normal.float_float(float mean, float std, SymInt[] size, *, Generator? generator=None, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { mean, std, size, dtype }) => normal(context, mean, std, size, dtype ?? 'float32'),
  LIMITS,
);
defineOp(
  'aten::normal_(Tensor(a!) self, float mean=0, float std=1, *, Generator? generator=None) -> Tensor(a!)',
  (context, { self, mean, std }) => refill(context, self, normal(context, mean, std, self.shape, self.dtype)),
  LIMITS,
);
defineOp(
  'aten::uniform_(Tensor(a!) self, float from=0, float to=1, *, Generator? generator=None) -> Tensor(a!)',
  (context, { self, from, to }) => refill(context, self, uniform(context, from, to, self.shape)),
  LIMITS,
);
defineOp(
  'aten::exponential_(Tensor(a!) self, float lambd=1, *, Generator? generator=None) -> Tensor(a!)',
  (context, { self, lambd }) =>
    refill(
      context,
      self,
      binary(context, 'Div', drawExponential(context, self.shape), context.scalar(lambd, 'float32')),
    ),
  LIMITS,
);

/** Uniform numbers from `low` (included) to `high` (excluded). */
function uniform(context: LowerContext, low: number, high: number, size: readonly Dim[]): TensorValue {
  const scaled = binary(
    context,
    'Mul',
    draw(context, 'Uniform', size, 'float32'),
    context.scalar(high - low, 'float32'),
  );
  return binary(context, 'Add', scaled, context.scalar(low, 'float32'));
}

/**
 * Indices drawn with the weights in the last axis. Without replacement the indices with the largest quotients of weight and an
 * exponential number are taken: their distribution is that of draws one after another.
 */
function multinomial(context: LowerContext, self: TensorValue, count: Dim, replacement: boolean): TensorValue {
  const weights = context.cast(self, 'float32');
  const axis = self.rank - 1;
  const shape = self.shape.with(axis, count);
  if (replacement && count !== 1) {
    const sums = runningSum(context, weights, axis);
    const total = context.slice(sums, axis, subDims(self.shape[axis] ?? 1, 1), self.shape[axis] ?? 1, 1, 1);
    const at = binary(context, 'Mul', draw(context, 'Uniform', shape, 'float32'), total);
    // The index is the number of running sums that are not above the drawn number.
    const [bounds, wide] = [
      context.reshape(sums, sums.shape.toSpliced(axis, 0, 1)),
      context.reshape(at, [...at.shape, 1]),
    ];
    const below = context.cast(compare(context, 'LessOrEqual', bounds, wide), 'int64');
    return context.node('ReduceSum', [below, context.ints([axis + 1])], {
      shape,
      attributes: { keepdims: flag(false) },
    });
  }
  const scores = binary(context, 'Div', weights, drawExponential(context, self.shape));
  const types = [
    { dtype: 'float32', shape },
    { dtype: 'int64', shape },
  ] as const;
  const inputs = [orderKeys(context, scores, 1), context.ints([count])];
  return context.nodes('TopK', inputs, types, { attributes: { axis: int(axis) } })[1] ?? scores;
}

defineOp(
  'aten::multinomial(Tensor self, SymInt num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor',
  (context, { self, num_samples: count, replacement }) => multinomial(context, self, count, replacement),
  { limits: `${LIMITS.limits}; weights that PyTorch refuses give some index` },
);
