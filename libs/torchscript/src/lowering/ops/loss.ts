import type { LowerContext } from '../../symbolic/lower-context.ts';
import { isFloating } from '../../symbolic/onnx-types.ts';
import type { Dim } from '../../symbolic/sym-int.ts';
import type { TensorValue } from '../../symbolic/values.ts';
import { binary, choose, compare } from '../arithmetic.ts';
import { int } from '../attributes.ts';
import { opFamily } from '../define-op.ts';
import { rangeOf, toScalar } from '../dims.ts';
import { floatType, operandAs, resultType } from '../promotion.ts';
import { gather } from './indexing/axis-index.ts';
import { cosineSimilarity, pairwiseDistance } from './reduction/distances.ts';
import { meanOver, sumOver } from './reduction/reduce.ts';

const { ops, defineOp } = opFamily('loss');

/** Loss functions. */
export const loss = ops;

/** PyTorch's numbers for the reductions of a loss. */
const MEAN = 1;
const SUM = 2;

/** Applies `reduction` to the losses: none, their mean or their sum. */
function reduced(context: LowerContext, losses: TensorValue, reduction: number): TensorValue {
  if (reduction !== MEAN && reduction !== SUM) return losses;
  const over = reduction === MEAN ? meanOver : sumOver;
  return over(context, losses, rangeOf(losses.rank), false);
}

/** Arithmetic on numbers and floating tensors of one dtype, so that lowerings read like formulas. */
class FloatArithmetic {
  readonly #context: LowerContext;
  readonly #dtype: TensorValue['dtype'];

  constructor(context: LowerContext, dtype: TensorValue['dtype']) {
    this.#context = context;
    this.#dtype = dtype;
  }

  of(value: TensorValue | number): TensorValue {
    return operandAs(this.#context, value, this.#dtype);
  }
  add(a: TensorValue | number, b: TensorValue | number): TensorValue {
    return binary(this.#context, 'Add', this.of(a), this.of(b));
  }
  sub(a: TensorValue | number, b: TensorValue | number): TensorValue {
    return binary(this.#context, 'Sub', this.of(a), this.of(b));
  }
  mul(a: TensorValue | number, b: TensorValue | number): TensorValue {
    return binary(this.#context, 'Mul', this.of(a), this.of(b));
  }
  div(a: TensorValue | number, b: TensorValue | number): TensorValue {
    return binary(this.#context, 'Div', this.of(a), this.of(b));
  }
  max(a: TensorValue | number, b: TensorValue | number): TensorValue {
    return binary(this.#context, 'Max', this.of(a), this.of(b));
  }
  neg(a: TensorValue): TensorValue {
    return this.#context.node('Neg', [a]);
  }
  abs(a: TensorValue): TensorValue {
    return this.#context.node('Abs', [a]);
  }
  exp(a: TensorValue): TensorValue {
    return this.#context.node('Exp', [a]);
  }
  log(a: TensorValue): TensorValue {
    return this.#context.node('Log', [a]);
  }
  /** log(1 + exp(-|x|)). It cannot overflow. */
  logOnePlusExpMinusAbs(x: TensorValue): TensorValue {
    return this.log(this.add(this.exp(this.neg(this.abs(x))), 1));
  }
  square(a: TensorValue): TensorValue {
    return this.mul(a, a);
  }
  less(a: TensorValue, b: number): TensorValue {
    return compare(this.#context, 'Less', a, this.of(b));
  }
  where(condition: TensorValue, a: TensorValue, b: TensorValue | number): TensorValue {
    return choose(this.#context, condition, a, this.of(b));
  }
}

/** {@link FloatArithmetic} in the floating dtype to which the operands promote. */
function floatArithmetic(context: LowerContext, ...operands: readonly TensorValue[]): FloatArithmetic {
  return new FloatArithmetic(context, floatType(resultType(operands)));
}

defineOp(
  'aten::mse_loss(Tensor self, Tensor target, int reduction=1) -> Tensor',
  (context, { self, target, reduction }) => {
    const c = floatArithmetic(context, self, target);
    return reduced(context, c.square(c.sub(self, target)), reduction);
  },
);

defineOp(
  'aten::l1_loss(Tensor self, Tensor target, int reduction=1) -> Tensor',
  (context, { self, target, reduction }) => {
    const c = floatArithmetic(context, self, target);
    return reduced(context, c.abs(c.sub(self, target)), reduction);
  },
);

defineOp(
  'aten::smooth_l1_loss(Tensor self, Tensor target, int reduction=1, float beta=1.) -> Tensor',
  (context, { self, target, reduction, beta }) => {
    const c = floatArithmetic(context, self, target);
    const distance = c.abs(c.sub(self, target));
    if (beta === 0) return reduced(context, distance, reduction);
    const near = c.mul(c.square(distance), 0.5 / beta);
    return reduced(context, c.where(c.less(distance, beta), near, c.sub(distance, 0.5 * beta)), reduction);
  },
);

defineOp(
  'aten::huber_loss(Tensor self, Tensor target, int reduction=1, float delta=1.) -> Tensor',
  (context, { self, target, reduction, delta }) => {
    const c = floatArithmetic(context, self, target);
    const distance = c.abs(c.sub(self, target));
    const far = c.mul(c.sub(distance, 0.5 * delta), delta);
    return reduced(context, c.where(c.less(distance, delta), c.mul(c.square(distance), 0.5), far), reduction);
  },
);

defineOp(
  'aten::kl_div(Tensor self, Tensor target, int reduction=1, *, bool log_target=False) -> Tensor',
  (context, { self, target, reduction, log_target }) => {
    const c = floatArithmetic(context, self, target);
    if (log_target) return reduced(context, c.mul(c.exp(c.of(target)), c.sub(target, self)), reduction);
    // A target of 0 contributes 0, although its logarithm is infinite.
    const goal = c.of(target);
    const isZero = compare(context, 'Equal', goal, c.of(0));
    const entropy = c.where(isZero, c.mul(goal, 0), c.mul(goal, c.log(goal)));
    return reduced(context, c.sub(entropy, c.mul(goal, self)), reduction);
  },
);

defineOp(
  'aten::binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int reduction=1) -> Tensor',
  (context, { self, target, weight, reduction }) => {
    const c = floatArithmetic(context, self, target);
    const clamped = (x: TensorValue): TensorValue => c.max(c.log(x), -100);
    const hit = c.mul(target, clamped(c.of(self)));
    const losses = c.neg(c.add(hit, c.mul(c.sub(1, target), clamped(c.sub(1, self)))));
    return reduced(context, weight === null ? losses : c.mul(losses, weight), reduction);
  },
);

defineOp(
  'aten::binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, int reduction=1) -> Tensor',
  (context, { self, target, weight, pos_weight, reduction }) => {
    const c = floatArithmetic(context, self, target);
    const logits = c.of(self);
    const softplus = c.add(c.logOnePlusExpMinusAbs(logits), c.max(c.neg(logits), 0));
    const scaled = pos_weight === null ? softplus : c.mul(c.add(c.mul(c.sub(pos_weight, 1), target), 1), softplus);
    const losses = c.add(c.mul(c.sub(1, target), logits), scaled);
    return reduced(context, weight === null ? losses : c.mul(losses, weight), reduction);
  },
);

defineOp(
  'aten::soft_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor',
  (context, { self, target, reduction }) => {
    const c = floatArithmetic(context, self, target);
    const x = c.neg(c.mul(self, target));
    return reduced(context, c.add(c.logOnePlusExpMinusAbs(x), c.max(x, 0)), reduction);
  },
);

defineOp(
  'aten::hinge_embedding_loss(Tensor self, Tensor target, float margin=1., int reduction=1) -> Tensor',
  (context, { self, target, margin, reduction }) => {
    const c = floatArithmetic(context, self);
    const is = (value: number): TensorValue => compare(context, 'Equal', c.of(target), c.of(value));
    const far = c.where(is(1), c.mul(self, 0), c.max(c.sub(margin, self), 0));
    const near = c.where(is(-1), c.mul(self, 0), c.of(self));
    return reduced(context, c.add(far, near), reduction);
  },
);

defineOp(
  'aten::margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) -> Tensor',
  (context, { input1, input2, target, margin, reduction }) => {
    const c = floatArithmetic(context, input1, input2, target);
    return reduced(context, c.max(c.add(c.neg(c.mul(target, c.sub(input1, input2))), margin), 0), reduction);
  },
);

defineOp(
  'aten::cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) -> Tensor',
  (context, { input1, input2, target, margin, reduction }) => {
    const c = floatArithmetic(context, input1, input2);
    const axis = Math.max(input1.rank, input2.rank) - 1;
    const cosine = cosineSimilarity(context, input1, input2, axis, 1e-8);
    const alike = compare(context, 'Equal', c.of(target), c.of(1));
    return reduced(context, c.where(alike, c.sub(1, cosine), c.max(c.sub(cosine, margin), 0)), reduction);
  },
);

defineOp(
  'aten::triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1., float p=2., float eps=9.9999999999999995e-07, bool swap=False, int reduction=1) -> Tensor',
  (context, { anchor, positive, negative, margin, p, eps, swap, reduction }) => {
    const c = floatArithmetic(context, anchor, positive, negative);
    const distance = (a: TensorValue, b: TensorValue): TensorValue => pairwiseDistance(context, a, b, p, eps, false);
    const near = distance(anchor, positive);
    const far = distance(anchor, negative);
    const nearest = swap ? binary(context, 'Min', far, distance(positive, negative)) : far;
    return reduced(context, c.max(c.add(c.sub(near, nearest), margin), 0), reduction);
  },
);

defineOp(
  'aten::poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) -> Tensor',
  (context, { input, target, log_input, full, eps, reduction }) => {
    const c = floatArithmetic(context, input, target);
    const losses = log_input
      ? c.sub(c.exp(c.of(input)), c.mul(target, input))
      : c.sub(input, c.mul(target, c.log(c.add(input, eps))));
    if (!full) return reduced(context, losses, reduction);
    // Stirling's approximation of log(target!).
    const goal = c.of(target);
    const stirling = c.add(c.sub(c.mul(goal, c.log(goal)), goal), c.mul(c.log(c.mul(goal, 2 * Math.PI)), 0.5));
    const above = compare(context, 'Greater', goal, c.of(1));
    return reduced(context, c.add(losses, c.where(above, stirling, 0)), reduction);
  },
);

/** The arguments of a classification loss in addition to the scores. */
interface ClassTargets {
  /** Class numbers, with the shape of the scores without the class axis. */
  readonly target: TensorValue;
  readonly weight: TensorValue | null;
  readonly reduction: number;
  readonly ignore: Dim;
}

/** The axis of the classes. */
const classAxis = (scores: TensorValue): number => (scores.rank === 1 ? 0 : 1);

/** Classification targets with their weights. */
interface WeightedTargets {
  /** Class numbers. 0 for ignored targets. */
  readonly classes: TensorValue;
  /** Weights of the classes. 0 for ignored targets. */
  readonly weights: TensorValue;
  /** Replaces the losses of ignored targets by 0. */
  readonly counted: (losses: TensorValue) => TensorValue;
}

function weightedTargets(
  context: LowerContext,
  scores: TensorValue,
  { target, weight, ignore }: ClassTargets,
): WeightedTargets {
  const numbers = context.cast(target, 'int64');
  const ignored = compare(context, 'Equal', numbers, context.scalar(toScalar(ignore), 'int64'));
  const classes = choose(context, ignored, context.scalar(0n, 'int64'), numbers);
  const counted = (losses: TensorValue): TensorValue =>
    choose(context, ignored, context.scalar(0, scores.dtype), losses);
  const weights =
    weight === null
      ? context.expand(context.scalar(1, scores.dtype), numbers.content.shape)
      : context.node('Gather', [context.cast(weight, scores.dtype), classes], {
          shape: classes.content.shape,
          attributes: { axis: int(0) },
        });
  return { classes, weights: counted(weights), counted };
}

/** Negative log likelihood for targets that are class numbers. */
function nll(context: LowerContext, scores: TensorValue, targets: ClassTargets): TensorValue {
  const axis = classAxis(scores);
  const { classes, weights, counted } = weightedTargets(context, scores, targets);
  const wide = context.reshape(classes, classes.content.shape.toSpliced(axis, 0, 1));
  const picked = context.reshape(gather(context, scores, axis, wide), classes.content.shape);
  const losses = counted(context.node('Neg', [binary(context, 'Mul', picked, weights)]));
  const all = rangeOf(losses.rank);
  if (targets.reduction === MEAN) {
    return binary(context, 'Div', sumOver(context, losses, all), sumOver(context, weights, all));
  }
  return reduced(context, losses, targets.reduction);
}

for (const name of ['nll_loss', 'nll_loss_nd', 'nll_loss2d'] as const) {
  defineOp(
    `aten::${name}(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100) -> Tensor`,
    (context, { self, target, weight, reduction, ignore_index }) =>
      nll(context, self, { target, weight, reduction, ignore: ignore_index }),
  );
}

defineOp(
  'aten::cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100, float label_smoothing=0.) -> Tensor',
  (context, { self, target, weight, reduction, ignore_index, label_smoothing }) => {
    const axis = classAxis(self);
    const scores = context.node('LogSoftmax', [self], { attributes: { axis: int(axis) } });
    const classes = self.content.shape[axis] ?? 1;
    const c = floatArithmetic(context, self);
    const classCount = context.scalar(toScalar(classes), self.dtype);
    const byClass = (tensor: TensorValue): TensorValue =>
      context.reshape(
        tensor,
        rangeOf(scores.rank).map((i) => (i === axis ? classes : 1)),
      );
    const weightedScores = weight === null ? scores : c.mul(scores, byClass(c.of(weight)));
    if (isFloating(target.dtype)) {
      const smooth = c.add(c.mul(target, 1 - label_smoothing), c.div(label_smoothing, classCount));
      const losses = c.neg(sumOver(context, c.mul(weightedScores, smooth), [axis]));
      if (reduction !== MEAN) return reduced(context, losses, reduction);
      // The mean divides by the number of targets, not by the weights of their classes.
      return c.div(sumOver(context, losses, rangeOf(losses.rank)), countOf(context, losses));
    }
    const targets = { target, weight, reduction, ignore: ignore_index };
    const hard = nll(context, scores, targets);
    if (label_smoothing === 0) return hard;
    const { weights, counted } = weightedTargets(context, scores, targets);
    const spread = counted(c.neg(sumOver(context, weightedScores, [axis])));
    const all = rangeOf(spread.rank);
    const soft =
      reduction === MEAN
        ? c.div(sumOver(context, spread, all), sumOver(context, weights, all))
        : reduced(context, spread, reduction);
    return c.add(c.mul(hard, 1 - label_smoothing), c.mul(soft, c.div(label_smoothing, classCount)));
  },
);

/** The number of elements as a tensor of the same dtype. */
function countOf(context: LowerContext, tensor: TensorValue): TensorValue {
  const ones = context.expand(context.scalar(1, tensor.dtype), tensor.content.shape);
  return sumOver(context, ones, rangeOf(tensor.rank));
}
