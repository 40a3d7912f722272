import { float, int } from '../attributes.ts';
import { broadcastShapes } from '../broadcast.ts';
import { opFamily } from '../define-op.ts';
import { maskNested, nestedMask, withNestedMask } from '../nested.ts';
import { matmul } from '../matmul.ts';
import { dropOut } from '../random.ts';
import type { LowerContext } from '../../symbolic/lower-context.ts';
import { floorDivDims, mulDims, SymInt, type Dim } from '../../symbolic/sym-int.ts';
import type { TensorValue } from '../../symbolic/values.ts';
import { linearLayer } from './linear.ts';

const { ops, defineOp } = opFamily('attention');

/** Attention and PyTorch's fused transformer layers. */
export const attention = ops;

interface AttentionOptions {
  /** Bool (true: the position takes part) or floating (added to the scores). Broadcasts to [..., L, S]. */
  readonly mask?: TensorValue | null;
  readonly causal?: boolean;
  /** Default: 1 / sqrt(head size). */
  readonly scale?: number | null;
  /** The probability with which a weight is dropped. Default: 0. */
  readonly dropout?: number;
}

/**
 * softmax(query · keyᵀ · scale + mask) · value, with query [..., L, E], key [..., S, E] and value [..., S, V]. Rows for
 * which the mask excludes every position give 0.
 */
function attend(
  context: LowerContext,
  query: TensorValue,
  key: TensorValue,
  value: TensorValue,
  options: AttentionOptions,
): { readonly output: TensorValue; readonly weights: TensorValue } {
  const { rank } = key;
  const swapped = [...Array(rank).keys()].map((axis) =>
    axis === rank - 2 ? rank - 1 : axis === rank - 1 ? rank - 2 : axis,
  );
  const scaled = scale(context, query, options.scale ?? undefined);
  let scores = matmul(context, scaled, context.transpose(key, swapped));
  const { shape } = scores;
  const minusInfinity = context.scalar(-Infinity, scores.dtype);
  if (options.causal === true) {
    const allowed = causalMask(context, shape.at(-2) ?? 1, shape.at(-1) ?? 1);
    scores = context.node('Where', [allowed, scores, minusInfinity], { dtype: scores.dtype, shape });
  }
  const { mask } = options;
  let empty: TensorValue | undefined;
  if (mask !== undefined && mask !== null) {
    const wide = broadcastShapes(context, shape, mask.shape);
    if (mask.dtype === 'bool') {
      scores = context.node('Where', [mask, scores, minusInfinity], { dtype: scores.dtype, shape: wide });
    } else {
      scores = context.node('Add', [scores, context.cast(mask, scores.dtype)], { shape: wide });
    }
    empty = excludesAll(context, mask);
  }
  const weights = dropOut(
    context,
    context.node('Softmax', [scores], { attributes: { axis: int(-1) } }),
    options.dropout ?? 0,
  );
  const attended = matmul(context, weights, value);
  if (empty === undefined) return { output: attended, weights };
  const zero = context.scalar(0, attended.dtype);
  const output = context.node('Where', [empty, zero, attended], { dtype: attended.dtype, shape: attended.shape });
  return { output, weights };
}

function scale(context: LowerContext, query: TensorValue, given: number | undefined): TensorValue {
  const size = query.shape.at(-1) ?? 1;
  if (given !== undefined || typeof size === 'number') {
    const factor = given ?? 1 / Math.sqrt(size as number);
    return factor === 1 ? query : context.node('Mul', [query, context.scalar(factor, query.dtype)]);
  }
  const root = context.node('Sqrt', [context.cast(context.scalar(size, 'int64'), query.dtype)]);
  return context.node('Div', [query, root]);
}

/** BOOL [..., L, 1]: true for rows of a mask that exclude every position. */
function excludesAll(context: LowerContext, mask: TensorValue): TensorValue {
  const shape = [...mask.shape.slice(0, -1), 1];
  const reduce = { shape, attributes: { keepdims: int(1) } };
  if (mask.dtype === 'bool') {
    const most = context.node('ReduceMax', [context.cast(mask, 'int32'), context.ints([-1])], reduce);
    return context.node('Equal', [most, context.scalar(0n, 'int32')], { dtype: 'bool', shape });
  }
  const most = context.node('ReduceMax', [mask, context.ints([-1])], reduce);
  return context.node('Equal', [most, context.scalar(-Infinity, mask.dtype)], { dtype: 'bool', shape });
}

/** BOOL [L, S]: position i takes part for positions up to i. */
function causalMask(context: LowerContext, rows: Dim, columns: Dim): TensorValue {
  const range = (size: Dim): TensorValue =>
    context.node(
      'Range',
      [
        context.scalar(0n, 'int64'),
        context.scalar(size instanceof SymInt ? size : BigInt(size), 'int64'),
        context.scalar(1n, 'int64'),
      ],
      {
        dtype: 'int64',
        shape: [size],
      },
    );
  return context.node('GreaterOrEqual', [context.reshape(range(rows), [rows, 1]), range(columns)], {
    dtype: 'bool',
    shape: [rows, columns],
  });
}

/** Repeats each head of key or value for the query heads that share it: [..., H, S, E] to [..., H · groups, S, E]. */
function repeatHeads(context: LowerContext, tensor: TensorValue, heads: Dim): TensorValue {
  const { shape } = tensor;
  const at = shape.length - 3;
  const present = shape[at] ?? 1;
  const groups = floorDivDims(heads, present);
  const [before, after] = [shape.slice(0, at + 1), shape.slice(at + 1)];
  const wide = context.expand(context.reshape(tensor, [...before, 1, ...after]), [...before, groups, ...after]);
  return context.reshape(wide, [...shape.slice(0, at), mulDims(present, groups), ...after]);
}

defineOp(
  'aten::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor',
  (context, args) => {
    const { query, attn_mask, is_causal } = args;
    let { key, value } = args;
    if (args.enable_gqa) {
      const heads = query.shape.at(-3) ?? 1;
      key = repeatHeads(context, key, heads);
      value = repeatHeads(context, value, heads);
    }
    return attend(context, query, key, value, {
      mask: attn_mask,
      causal: is_causal,
      scale: args.scale,
      dropout: args.dropout_p,
    }).output;
  },
  { limits: 'with dropout_p > 0 ONNX Runtime draws the weights to drop: they differ from PyTorch’s' },
);

/** Splits [N, L, D] into heads: [N, H, L, D / H]. */
function splitHeads(context: LowerContext, tensor: TensorValue, heads: number): TensorValue {
  const [batch = 1, length = 1, width = 1] = tensor.shape;
  const split = context.reshape(tensor, [batch, length, heads, floorDivDims(width, heads)]);
  return context.transpose(split, [0, 2, 1, 3]);
}

interface SelfAttention {
  readonly heads: number;
  readonly qkvWeight: TensorValue;
  readonly qkvBias: TensorValue;
  readonly outWeight: TensorValue;
  readonly outBias: TensorValue;
  /** BOOL, true for positions that are excluded. */
  readonly mask: TensorValue | null;
  readonly maskType: number | null;
}

/** Multi-head attention on [N, L, D]. Query, key and value share one packed projection, as in PyTorch's fused kernels. */
function multiHead(
  context: LowerContext,
  inputs: readonly [TensorValue, TensorValue, TensorValue],
  options: SelfAttention,
): { readonly output: TensorValue; readonly weights: TensorValue } {
  const { heads, qkvWeight, qkvBias } = options;
  const [query] = inputs;
  if (query.rank !== 3)
    context.unsupported(`multi-head attention on a tensor of rank ${query.rank}`, 'pass an input of shape [N, L, D]');
  const width = floorDivDims(qkvWeight.shape[0] ?? 1, 3);
  const [q, k, v] = inputs.map((input, i) => {
    const [from, to] = [mulDims(width, i), mulDims(width, i + 1)];
    const weight = context.slice(qkvWeight, 0, from, to, 1, width);
    const bias = context.slice(qkvBias, 0, from, to, 1, width);
    return splitHeads(context, linearLayer(context, input, weight, bias), heads);
  }) as [TensorValue, TensorValue, TensorValue];
  const mask = attentionMask(context, options, query);
  const { output, weights } = attend(context, q, k, v, { mask });
  const [batch = 1, , length = 1] = output.shape;
  const joined = context.reshape(context.transpose(output, [0, 2, 1, 3]), [batch, length, width]);
  return { output: linearLayer(context, joined, options.outWeight, options.outBias), weights };
}

/**
 * Converts the mask of the fused kernels (true excludes) to the mask of scaled_dot_product_attention (true takes part):
 * [N or 1, 1 or H, L or 1, S].
 */
function attentionMask(context: LowerContext, options: SelfAttention, query: TensorValue): TensorValue | null {
  const nested = nestedMask(query);
  if (nested !== undefined) return context.reshape(nested, [nested.shape[0] ?? 1, 1, 1, nested.shape[1] ?? 1]);
  const { mask, maskType } = options;
  if (mask === null) return null;
  // PyTorch's fused kernels treat a floating mask as bool too: -inf excludes a position, 0 does not.
  const allowed = context.node('Not', [context.cast(mask, 'bool')]);
  if (mask.rank !== 2 || maskType !== 1) return allowed;
  return context.reshape(allowed, [mask.shape[0] ?? 1, 1, 1, mask.shape[1] ?? 1]);
}

defineOp(
  'aten::_native_multi_head_attention(Tensor query, Tensor key, Tensor value, int embed_dim, int num_head, Tensor qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, Tensor? mask=None, bool need_weights=True, bool average_attn_weights=True, int? mask_type=None) -> (Tensor, Tensor)',
  (context, args) => {
    const { output, weights } = multiHead(context, [args.query, args.key, args.value], {
      heads: args.num_head,
      qkvWeight: args.qkv_weight,
      qkvBias: args.qkv_bias,
      outWeight: args.proj_weight,
      outBias: args.proj_bias,
      mask: args.mask,
      maskType: args.mask_type,
    });
    if (!args.need_weights) return [output, context.constant([], 'float32', [0])];
    if (!args.average_attn_weights) return [output, weights];
    const [batch = 1, , rows = 1, columns = 1] = weights.shape;
    const mean = context.node('ReduceMean', [weights, context.ints([1])], {
      shape: [batch, rows, columns],
      attributes: { keepdims: int(0) },
    });
    return [output, mean];
  },
);

function layerNorm(
  context: LowerContext,
  input: TensorValue,
  weight: TensorValue,
  bias: TensorValue,
  eps: number,
): TensorValue {
  return context.node('LayerNormalization', [input, weight, bias], {
    attributes: { axis: int(-1), epsilon: float(eps) },
  });
}

defineOp(
  'aten::_transformer_encoder_layer_fwd(Tensor src, int embed_dim, int num_heads, Tensor qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, bool use_gelu, bool norm_first, float eps, Tensor norm_weight_1, Tensor norm_bias_1, Tensor norm_weight_2, Tensor norm_bias_2, Tensor ffn_weight_1, Tensor ffn_bias_1, Tensor ffn_weight_2, Tensor ffn_bias_2, Tensor? mask=None, int? mask_type=None) -> Tensor',
  (context, args) => {
    const { src, norm_first } = args;
    const nested = nestedMask(src);
    const first = (x: TensorValue): TensorValue =>
      layerNorm(context, x, args.norm_weight_1, args.norm_bias_1, args.eps);
    const second = (x: TensorValue): TensorValue =>
      layerNorm(context, x, args.norm_weight_2, args.norm_bias_2, args.eps);
    const add = (a: TensorValue, b: TensorValue): TensorValue => context.node('Add', [a, b]);
    const attended = (x: TensorValue): TensorValue => {
      const input = nested === undefined ? x : withNestedMask(x, nested);
      return multiHead(context, [input, x, x], {
        heads: args.num_heads,
        qkvWeight: args.qkv_weight,
        qkvBias: args.qkv_bias,
        outWeight: args.proj_weight,
        outBias: args.proj_bias,
        mask: args.mask,
        maskType: args.mask_type,
      }).output;
    };
    const forward = (x: TensorValue): TensorValue => {
      const hidden = linearLayer(context, x, args.ffn_weight_1, args.ffn_bias_1);
      const active = context.node(args.use_gelu ? 'Gelu' : 'Relu', [hidden]);
      return linearLayer(context, active, args.ffn_weight_2, args.ffn_bias_2);
    };
    let x = src;
    if (norm_first) {
      x = add(x, attended(first(x)));
      x = add(x, forward(second(x)));
    } else {
      x = first(add(x, attended(x)));
      x = second(add(x, forward(x)));
    }
    return nested === undefined ? x : withNestedMask(x, nested);
  },
);

// A nested tensor of sequences is kept as the padded tensor that it was made from, together with the mask of valid elements.
defineOp('aten::_nested_tensor_from_mask(Tensor t, Tensor mask, bool mask_check=True) -> Tensor', (_, { t, mask }) =>
  withNestedMask(t, mask),
);
defineOp('aten::_nested_tensor_from_mask_left_aligned(Tensor t, Tensor mask) -> bool', () => true);
defineOp(
  'aten::to_padded_tensor(Tensor self, float padding, SymInt[]? output_size=None) -> Tensor',
  (context, { self, padding }) => maskNested(context, self, padding),
);
defineOp(
  'aten::nested_to_padded_tensor(Tensor self, float padding, int[]? output_size=None) -> Tensor',
  (context, { self, padding }) => maskNested(context, self, padding),
);
