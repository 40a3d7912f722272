import { int } from '../../attributes.ts';
import { positions } from '../../positions.ts';
import { addDims, mulDims, subDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';

/**
 * An LSTM whose hidden state is projected (PyTorch's `proj_size`, P): h = W_hr · m, where m [H] is what an LSTM without a projection has as
 * its hidden state. ONNX's LSTM has no projection. It computes m exactly, if its recurrent weights are W_hh · W_hr, and the projection of all
 * steps follows behind it. Only the first step needs more, because no m belongs to the initial state h0: W_hh · h0 is added to its gates by
 * further inputs, which are h0 at the first step and 0 at all others.
 */
export interface ProjectedLayer {
  /** [T, B, I]. */
  readonly x: TensorValue;
  /** [directions, B, P]. */
  readonly hidden: TensorValue;
  /** For each direction, in ONNX's order of gates: [4 · H, I]. */
  readonly inputWeights: readonly TensorValue[];
  /** For each direction, in ONNX's order of gates: [4 · H, P]. */
  readonly hiddenWeights: readonly TensorValue[];
  /** For each direction: [P, H]. */
  readonly projections: readonly TensorValue[];
  /** INT32 [B]. Undefined means that all sequences have the full length. */
  readonly lengths: TensorValue | undefined;
}

/** The inputs of an LSTM without a projection. */
export interface PlainLayer {
  readonly x: TensorValue;
  readonly inputWeights: readonly TensorValue[];
  readonly hiddenWeights: readonly TensorValue[];
  /** [directions, B, H]. */
  readonly hidden: TensorValue;
}

/** What ONNX's LSTM gets in place of a layer with a projection. */
export function withoutProjection(context: LowerContext, layer: ProjectedLayer): PlainLayer {
  const { x, hidden, hiddenWeights, projections, lengths } = layer;
  const [directions = 1, batch = 1, projected = 1] = hidden.shape;
  const [time = 1] = x.shape;
  const zero = context.scalar(0, x.dtype);
  const extra = hiddenWeights.map((_, direction) => {
    const state = context.slice(hidden, 0, direction, direction + 1, 1, 1);
    return context.node('Where', [firstStep(context, [time, batch], direction, lengths), state, zero], {
      dtype: x.dtype,
      shape: [time, batch, projected],
    });
  });
  const concat = (parts: readonly TensorValue[], axis: number, shape: readonly Dim[]): TensorValue =>
    context.node('Concat', parts, { shape, attributes: { axis: int(axis) } });
  const width = addDims(layer.inputWeights[0]?.shape[1] ?? 1, mulDims(projected, hiddenWeights.length));
  return {
    x: concat([x, ...extra], 2, [time, batch, width]),
    inputWeights: layer.inputWeights.map((weight, direction) => {
      const rows = weight.shape[0] ?? 1;
      const parts = hiddenWeights.map((own, other) =>
        other === direction ? own : context.expand(context.reshape(zero, [1, 1]), own.shape),
      );
      return concat([weight, ...parts], 1, [rows, width]);
    }),
    hiddenWeights: hiddenWeights.map((weight, direction) => {
      const projection = projections[direction] ?? weight;
      return context.node('MatMul', [weight, projection], { shape: [weight.shape[0] ?? 1, projection.shape[1] ?? 1] });
    }),
    hidden: context.expand(context.reshape(zero, [1, 1, 1]), [directions, batch, projections[0]?.shape[1] ?? 1]),
  };
}

/** Projects states [..., directions, B, H] to [..., directions, B, P]. */
export function project(context: LowerContext, states: TensorValue, projections: readonly TensorValue[]): TensorValue {
  const turned = projections.map((projection) => {
    const [projected = 1, hidden = 1] = projection.shape;
    return context.reshape(context.transpose(projection, [1, 0]), [1, hidden, projected]);
  });
  const [first] = turned;
  if (first === undefined) return states;
  const [, hidden = 1, projected = 1] = first.shape;
  const all =
    turned.length === 1
      ? first
      : context.node('Concat', turned, { shape: [turned.length, hidden, projected], attributes: { axis: int(0) } });
  return context.node('MatMul', [states, all], { shape: [...states.shape.slice(0, -1), projected] });
}

/** BOOL [T, 1 or B, 1]: the step at which a direction begins. */
function firstStep(
  context: LowerContext,
  [time, batch]: readonly [Dim, Dim],
  direction: number,
  lengths: TensorValue | undefined,
): TensorValue {
  const steps = positions(context, time, { axis: 0, rank: 3 });
  if (direction === 0 || lengths === undefined) {
    const first = positions(context, 1, { start: direction === 0 ? 0 : subDims(time, 1), axis: 0, rank: 3 });
    return context.node('Equal', [steps, first], { dtype: 'bool', shape: [time, 1, 1] });
  }
  const last = context.node('Sub', [context.cast(lengths, 'int64'), context.scalar(1, 'int64')], { shape: [batch] });
  const wide = context.reshape(last, [1, batch, 1]);
  return context.node('Equal', [steps, wide], { dtype: 'bool', shape: [time, batch, 1] });
}
