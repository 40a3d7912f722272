import { int, str } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { guardEmpty } from '../../empty-guard.ts';
import { dropOut } from '../../random.ts';
import { checkedLengths, longestOf, pack, runningMask, unpack } from './packed-sequence.ts';
import { project, withoutProjection } from './projection.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, maxDims, mulDims, subDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';

const { ops, defineOp } = opFamily('recurrent');

/** Recurrent layers and operators on packed sequences. */
export const layers = ops;

type CellKind = 'LSTM' | 'GRU' | 'RNN_TANH' | 'RNN_RELU';

/** The gates of each cell in ONNX's order, by their position in PyTorch (LSTM i,f,g,o to i,o,f,c; GRU r,z,n to z,r,h). */
const GATES: Readonly<Record<CellKind, readonly number[]>> = {
  LSTM: [0, 3, 1, 2],
  GRU: [1, 0, 2],
  RNN_TANH: [0],
  RNN_RELU: [0],
};

interface Stack {
  readonly kind: CellKind;
  /** [T, B, I], with `batchFirst` [B, T, I], without a batch [T, I]. */
  readonly input: TensorValue;
  /** Initial states, each [layers · directions, B, H]. For input without a batch B is absent. */
  readonly initial: readonly TensorValue[];
  /** For each layer and direction: w_ih, w_hh and, with biases, b_ih, b_hh. */
  readonly weights: readonly TensorValue[];
  readonly hasBiases: boolean;
  readonly layers: number;
  readonly bidirectional: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly train: boolean;
  /** INT32 [B]. Undefined means that all sequences have the full length. */
  readonly lengths?: TensorValue | undefined;
}

/** Runs the layers one after another. Returns the outputs in the layout of the input and the final states, each [layers · directions, B, H]. */
function runStack(
  context: LowerContext,
  stack: Stack,
): { readonly output: TensorValue; readonly final: readonly TensorValue[] } {
  const { layers, initial } = stack;
  const directions = stack.bidirectional ? 2 : 1;
  const perDirection = weightsPerDirection(stack);
  const unbatched = stack.input.rank === 2;
  if (!unbatched && stack.input.rank !== 3) {
    context.unsupported(
      `a recurrent layer on a tensor of rank ${stack.input.rank}`,
      'pass an input of shape [T, B, I], or [B, T, I] with batch_first',
    );
  }
  if (unbatched && context.inferring)
    context.unsupported('a recurrent layer without a batch axis', 'give the ranks of the inputs with --input');
  const addBatch = (tensor: TensorValue, axis: number): TensorValue =>
    unbatched ? context.reshape(tensor, [...tensor.shape.slice(0, axis), 1, ...tensor.shape.slice(axis)]) : tensor;
  if (stack.input.dtype === 'float64') return inFloat32(context, stack);
  let x = stack.batchFirst && !unbatched ? context.transpose(stack.input, [1, 0, 2]) : addBatch(stack.input, 1);
  const states = initial.map((state) => addBatch(state, 1));
  const finals: TensorValue[][] = states.map(() => []);
  for (let layer = 0; layer < layers; layer++) {
    const start = layer * directions * perDirection;
    const weights = stack.weights.slice(start, start + directions * perDirection);
    const from = states.map((state) =>
      context.slice(state, 0, layer * directions, (layer + 1) * directions, 1, directions),
    );
    // In training mode the outputs of all layers but the last are dropped at random.
    if (layer > 0 && stack.train) x = dropOut(context, x, stack.dropout);
    const result = runLayer(context, stack, x, weights, from, directions);
    x = result.output;
    result.final.forEach((state, i) => finals[i]?.push(state));
  }
  const final = finals.map((parts) => {
    const [first] = parts;
    if (first === undefined)
      return context.unsupported('a recurrent layer with num_layers=0', 'use at least one layer');
    const joined =
      parts.length === 1
        ? first
        : context.node('Concat', parts, {
            shape: [layers * directions, ...first.shape.slice(1)],
            attributes: { axis: int(0) },
          });
    return unbatched ? context.reshape(joined, [joined.shape[0] ?? 1, joined.shape[2] ?? 1]) : joined;
  });
  if (unbatched) return { output: context.reshape(x, [x.shape[0] ?? 1, x.shape[2] ?? 1]), final };
  return { output: stack.batchFirst ? context.transpose(x, [1, 0, 2]) : x, final };
}

/** A weight and a bias for inputs and for states, and for a projected LSTM the projection. */
function weightsPerDirection({ weights, hasBiases, layers, bidirectional }: Stack): number {
  const directions = bidirectional ? 2 : 1;
  const projected = (hasBiases ? 5 : 3) * layers * directions === weights.length;
  return (hasBiases ? 4 : 2) + (projected ? 1 : 0);
}

/** Computes in float32, because ONNX Runtime has recurrent kernels for float32 only. */
function inFloat32(
  context: LowerContext,
  stack: Stack,
): { readonly output: TensorValue; readonly final: readonly TensorValue[] } {
  const narrow = (tensor: TensorValue): TensorValue => context.cast(tensor, 'float32');
  const { output, final } = runStack(context, {
    ...stack,
    input: narrow(stack.input),
    initial: stack.initial.map(narrow),
    weights: stack.weights.map(narrow),
  });
  return { output: context.cast(output, 'float64'), final: final.map((state) => context.cast(state, 'float64')) };
}

/** Runs one layer on [T, B, I]. Returns [T, B, directions · H] and the final states [directions, B, H]. */
function runLayer(
  context: LowerContext,
  stack: Stack,
  input: TensorValue,
  weights: readonly TensorValue[],
  initial: readonly TensorValue[],
  directions: number,
): { readonly output: TensorValue; readonly final: readonly TensorValue[] } {
  const { kind, hasBiases, lengths } = stack;
  const perDirection = weightsPerDirection(stack);
  const ofDirection = (d: number, i: number): TensorValue => {
    const weight = weights[d * perDirection + i];
    return weight === undefined
      ? context.unsupported('a recurrent layer with missing weights')
      : reorderGates(context, kind, weight);
  };
  const joinDirections = (make: (d: number) => TensorValue): TensorValue => {
    const parts = Array.from({ length: directions }, (_, d) => {
      const part = make(d);
      return context.reshape(part, [1, ...part.shape]);
    });
    const [first] = parts;
    if (first === undefined) return context.unsupported('a recurrent layer without a direction');
    if (parts.length === 1) return first;
    return context.node('Concat', parts, {
      shape: [directions, ...first.shape.slice(1)],
      attributes: { axis: int(0) },
    });
  };
  const each = (i: number): TensorValue[] => Array.from({ length: directions }, (_, d) => ofDirection(d, i));
  const [first] = initial;
  const projections = perDirection % 2 === 0 ? [] : weights.filter((_, i) => i % perDirection === perDirection - 1);
  context.require(input.shape[2] ?? 1, weights[0]?.shape[1] ?? 1);
  const own = { x: input, inputWeights: each(0), hiddenWeights: each(1), hidden: first };
  const plain =
    first === undefined || projections.length === 0
      ? own
      : withoutProjection(context, {
          ...own,
          hidden: context.expand(first, [directions, input.shape[1] ?? 1, first.shape[2] ?? 1]),
          projections,
          lengths,
        });
  const { x } = plain;
  const inputWeight = joinDirections((d) => plain.inputWeights[d] ?? input);
  const hiddenWeight = joinDirections((d) => plain.hiddenWeights[d] ?? input);
  const bias = hasBiases
    ? joinDirections((d) => {
        const [a, b] = [ofDirection(d, 2), ofDirection(d, 3)];
        return context.node('Concat', [a, b], { shape: [mulDims(a.shape[0] ?? 1, 2)], attributes: { axis: int(0) } });
      })
    : null;
  const hidden = hiddenWeight.shape[2] ?? 1;
  const [time = 1, batch = 1] = x.shape;
  const state: readonly Dim[] = [directions, batch, hidden];
  const batched = initial.map((part, i) => context.expand((i === 0 ? plain.hidden : undefined) ?? part, state));
  const opType = kind === 'LSTM' || kind === 'GRU' ? kind : 'RNN';
  const outputs = [[time, directions, batch, hidden], state, ...(kind === 'LSTM' ? [state] : [])];
  const types = outputs.map((shape) => ({ dtype: x.dtype, shape }));
  // The kernels end the process if the batch is empty, and give whatever is in memory if there is no step.
  const run = (): TensorValue[] =>
    context.nodes(opType, [x, inputWeight, hiddenWeight, bias, lengths ?? null, ...batched], types, {
      attributes: {
        hidden_size: int(Number(hidden)),
        direction: str(directions === 2 ? 'bidirectional' : 'forward'),
        ...(kind === 'GRU' ? { linear_before_reset: int(1) } : {}),
        ...(opType === 'RNN'
          ? { activations: { strings: Array(directions).fill(kind === 'RNN_TANH' ? 'Tanh' : 'Relu') as string[] } }
          : {}),
      },
    });
  const [y, ...final] = guardEmpty(context, [time, batch], {
    types,
    run,
    empty: () => withoutRows(context, x, outputs),
  });
  if (y === undefined) return context.unsupported('a recurrent layer without outputs');
  const steps = project(context, y, projections);
  const size = mulDims(steps.shape[3] ?? 1, directions);
  const output = context.reshape(context.transpose(steps, [0, 2, 1, 3]), [time, batch, size]);
  return { output, final: final.map((part, i) => (i === 0 ? project(context, part, projections) : part)) };
}

/** The results for an empty batch. Reading the first step fails if there is none, as PyTorch does. */
function withoutRows(context: LowerContext, x: TensorValue, shapes: readonly (readonly Dim[])[]): TensorValue[] {
  const first = context.node('Gather', [x, context.ints([0])], {
    shape: x.shape.with(0, 1),
    attributes: { axis: int(0) },
  });
  const one = context.slice(first, 2, 0, 1, 1, 1);
  return shapes.map((shape) =>
    context.expand(
      context.reshape(
        one,
        shape.map((_, axis) => (axis === shape.length - 2 ? (x.shape[1] ?? 1) : 1)),
      ),
      shape,
    ),
  );
}

/** The rows of a weight, which has one block for each gate, in ONNX's order of gates. */
function reorderGates(context: LowerContext, kind: CellKind, weight: TensorValue): TensorValue {
  const order = GATES[kind];
  if (order.every((gate, i) => gate === i)) return weight;
  const rows = weight.shape[0];
  if (typeof rows !== 'number')
    return context.unsupported('recurrent weights of unknown size', 'make them parameters of the model');
  const size = rows / order.length;
  const parts = order.map((gate) => context.slice(weight, 0, gate * size, (gate + 1) * size, 1, size));
  return context.node('Concat', parts, { shape: weight.shape, attributes: { axis: int(0) } });
}

defineOp(
  'aten::lstm.input(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)',
  (context, args) => {
    const { output, final } = runStack(context, {
      ...stackOptions(args),
      kind: 'LSTM',
      input: args.input,
      initial: args.hx,
      weights: args.params,
      batchFirst: args.batch_first,
    });
    return [output, ...final];
  },
);
defineOp(
  'aten::lstm.data(Tensor data, Tensor batch_sizes, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor, Tensor)',
  (context, args) => runPacked(context, 'LSTM', args, args.hx),
);

interface StackArguments {
  readonly has_biases: boolean;
  readonly num_layers: number;
  readonly dropout: number;
  readonly train: boolean;
  readonly bidirectional: boolean;
}

function stackOptions(
  args: StackArguments,
): Pick<Stack, 'hasBiases' | 'layers' | 'dropout' | 'train' | 'bidirectional'> {
  return {
    hasBiases: args.has_biases,
    layers: args.num_layers,
    dropout: args.dropout,
    train: args.train,
    bidirectional: args.bidirectional,
  };
}

function runPacked(
  context: LowerContext,
  kind: CellKind,
  args: StackArguments & {
    readonly data: TensorValue;
    readonly batch_sizes: TensorValue;
    readonly params: readonly TensorValue[];
  },
  initial: readonly TensorValue[],
): TensorValue[] {
  const { padded, lengths } = unpack(context, args.data, args.batch_sizes);
  const { output, final } = runStack(context, {
    ...stackOptions(args),
    kind,
    input: padded,
    initial,
    weights: args.params,
    batchFirst: false,
    lengths: context.cast(lengths, 'int32'),
  });
  return [pack(context, { padded: output, lengths }).data, ...final];
}

defineOp(
  'aten::gru.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)',
  (context, args) => runPadded(context, 'GRU', args),
);
defineOp(
  'aten::gru.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)',
  (context, args) => runPacked(context, 'GRU', args, [args.hx]),
);
defineOp(
  'aten::rnn_tanh.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)',
  (context, args) => runPadded(context, 'RNN_TANH', args),
);
defineOp(
  'aten::rnn_tanh.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)',
  (context, args) => runPacked(context, 'RNN_TANH', args, [args.hx]),
);
defineOp(
  'aten::rnn_relu.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)',
  (context, args) => runPadded(context, 'RNN_RELU', args),
);
defineOp(
  'aten::rnn_relu.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)',
  (context, args) => runPacked(context, 'RNN_RELU', args, [args.hx]),
);

function runPadded(
  context: LowerContext,
  kind: CellKind,
  args: StackArguments & {
    readonly input: TensorValue;
    readonly hx: TensorValue;
    readonly params: readonly TensorValue[];
    readonly batch_first: boolean;
  },
): TensorValue[] {
  const { output, final } = runStack(context, {
    ...stackOptions(args),
    kind,
    input: args.input,
    initial: [args.hx],
    weights: args.params,
    batchFirst: args.batch_first,
  });
  return [output, ...final];
}

defineOp(
  'aten::_pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first) -> (Tensor, Tensor)',
  (context, { input, lengths, batch_first }) => {
    const timeFirst = batch_first ? context.transpose(input, [1, 0, ...input.shape.map((_, i) => i).slice(2)]) : input;
    const { data, batchSizes } = pack(context, {
      padded: timeFirst,
      lengths: checkedLengths(context, context.cast(lengths, 'int64')),
    });
    return [data, batchSizes];
  },
);
defineOp(
  'aten::_pad_packed_sequence(Tensor data, Tensor batch_sizes, bool batch_first, Scalar padding_value, SymInt total_length) -> (Tensor, Tensor)',
  (context, { data, batch_sizes, batch_first, padding_value, total_length }) => {
    const { padded: whole, lengths } = unpack(context, data, batch_sizes);
    const [time = 1, batch = 1, ...features] = whole.shape;
    // PyTorch pads to total_length or to the longest sequence, which may be shorter than the padded input was.
    const length = total_length === -1 ? longestOf(context, lengths) : total_length;
    const missing = maxDims(subDims(length, time), 0);
    const none = [0, ...features.map(() => 0)];
    const long =
      missing === 0
        ? whole
        : context.node('Pad', [whole, context.ints([0, ...none, missing, ...none])], {
            shape: [addDims(time, missing), batch, ...features],
          });
    const cut = context.slice(long, 0, 0, length, 1, length);
    const real = runningMask(context, length, lengths);
    const wide = context.reshape(real, [length, batch, ...features.map(() => 1)]);
    const padded = context.node('Where', [wide, cut, context.scalar(padding_value, data.dtype)], {
      dtype: data.dtype,
      shape: cut.shape,
    });
    return [batch_first ? context.transpose(padded, [1, 0, ...features.map((_, i) => i + 2)]) : padded, lengths];
  },
);

defineOp(
  'aten::pad_sequence(Tensor[] sequences, bool batch_first=False, float padding_value=0.0, str padding_side="right") -> Tensor',
  (context, { sequences, batch_first, padding_value, padding_side }) => {
    const longest = sequences.map(({ shape }) => shape[0] ?? 1).reduce(maxDims);
    const rows = sequences.map((sequence) => {
      const [length = 1, ...features] = sequence.shape;
      const missing = subDims(longest, length);
      const zeros = features.map(() => 0);
      const [before, after] = padding_side === 'left' ? [missing, 0] : [0, missing];
      const pads = context.ints([before, ...zeros, after, ...zeros]);
      const value = context.scalar(padding_value, sequence.dtype);
      const padded = context.node('Pad', [sequence, pads, value], { shape: [longest, ...features] });
      return context.reshape(padded, batch_first ? [1, longest, ...features] : [longest, 1, ...features]);
    });
    const shape = rows[0]?.shape ?? [];
    const axis = batch_first ? 0 : 1;
    return context.node('Concat', rows, {
      shape: shape.map((size, i) => (i === axis ? rows.length : size)),
      attributes: { axis: int(axis) },
    });
  },
);
