import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { opFamily } from '../../define-op.ts';
import { linearLayer } from '../linear.ts';

const { ops, defineOp } = opFamily('recurrent');

/** Recurrent cells, which compute one time step. */
export const cells = ops;

/** The inputs of a cell's gates: input · w_ihᵀ + b_ih and hidden · w_hhᵀ + b_hh, each split into `count` blocks of H. */
function cellGates(
  context: LowerContext,
  inputs: readonly [TensorValue, TensorValue],
  weights: readonly [TensorValue, TensorValue],
  biases: readonly [TensorValue | null, TensorValue | null],
  count: number,
): [TensorValue[], TensorValue[]] {
  const rows = Number(weights[0].shape[0]);
  const size = rows / count;
  const split = (which: 0 | 1): TensorValue[] => {
    const all = linearLayer(context, inputs[which], weights[which], biases[which]);
    return Array.from({ length: count }, (_, i) => context.slice(all, all.rank - 1, i * size, (i + 1) * size, 1, size));
  };
  return [split(0), split(1)];
}

const sigmoid = (context: LowerContext, x: TensorValue): TensorValue => context.node('Sigmoid', [x]);
const tanh = (context: LowerContext, x: TensorValue): TensorValue => context.node('Tanh', [x]);
const add = (context: LowerContext, a: TensorValue, b: TensorValue): TensorValue => context.node('Add', [a, b]);
const mul = (context: LowerContext, a: TensorValue, b: TensorValue): TensorValue => context.node('Mul', [a, b]);

defineOp(
  'aten::lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> (Tensor, Tensor)',
  (context, { input, hx, w_ih, w_hh, b_ih, b_hh }) => {
    const [hidden, cell] = hx;
    if (hidden === undefined || cell === undefined)
      return context.unsupported('lstm_cell without its two states', 'pass hidden and cell state');
    const [x, h] = cellGates(context, [input, hidden], [w_ih, w_hh], [b_ih, b_hh], 4);
    const [i, f, g, o] = x.map((gate, k) => add(context, gate, h[k] ?? gate)) as [
      TensorValue,
      TensorValue,
      TensorValue,
      TensorValue,
    ];
    const kept = mul(context, sigmoid(context, f), cell);
    const next = add(context, kept, mul(context, sigmoid(context, i), tanh(context, g)));
    return [mul(context, sigmoid(context, o), tanh(context, next)), next];
  },
);
defineOp(
  'aten::gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor',
  (context, { input, hx, w_ih, w_hh, b_ih, b_hh }) => {
    const [x, h] = cellGates(context, [input, hx], [w_ih, w_hh], [b_ih, b_hh], 3);
    const gate = (i: number): TensorValue => add(context, x[i] ?? input, h[i] ?? hx);
    const reset = sigmoid(context, gate(0));
    const update = sigmoid(context, gate(1));
    const fresh = tanh(context, add(context, x[2] ?? input, mul(context, reset, h[2] ?? hx)));
    return add(context, fresh, mul(context, update, context.node('Sub', [hx, fresh])));
  },
);
const plainCell =
  (opType: 'Tanh' | 'Relu') =>
  (
    context: LowerContext,
    args: {
      readonly input: TensorValue;
      readonly hx: TensorValue;
      readonly w_ih: TensorValue;
      readonly w_hh: TensorValue;
      readonly b_ih: TensorValue | null;
      readonly b_hh: TensorValue | null;
    },
  ): TensorValue => {
    const x = linearLayer(context, args.input, args.w_ih, args.b_ih);
    return context.node(opType, [add(context, x, linearLayer(context, args.hx, args.w_hh, args.b_hh))]);
  };
defineOp(
  'aten::rnn_tanh_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor',
  plainCell('Tanh'),
);
defineOp(
  'aten::rnn_relu_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor',
  plainCell('Relu'),
);
