import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isTuple, ListValue, ObjectValue, TensorValue, type Value } from '../../../symbolic/values.ts';
import { opFamily } from '../../define-op.ts';

const { ops, defineOp } = opFamily('quantized');

/** Packing and unpacking of the weights of quantized layers. */
export const packing = ops;

const CLASSES = '__torch__.torch.classes.quantized';

/** Weight and bias of a quantized layer. */
export interface PackedWeights {
  readonly weight: TensorValue;
  readonly bias: TensorValue | null;
}

/** The weight and the bias of packed parameters, from the archive's state or from a `prepack` operator. */
export function unpack(context: LowerContext, packed: Value): PackedWeights {
  const object = packed instanceof ObjectValue ? packed : undefined;
  const state = object?.attributes.get('state');
  const [weight, bias] =
    isTuple(state) && state.items.length === 2
      ? state.items
      : [object?.attributes.get('weight'), object?.attributes.get('bias')];
  if (!(weight instanceof TensorValue)) {
    return context.unsupported(
      'packed parameters of this form',
      'save the quantized model with torch.jit.save and without torch.jit.freeze',
    );
  }
  return { weight, bias: bias instanceof TensorValue ? bias : null };
}

/** The quantized table [entries, width] of packed embeddings. */
export function tableOf(context: LowerContext, packed: Value): TensorValue {
  const object = packed instanceof ObjectValue ? packed : undefined;
  const state = object?.attributes.get('state');
  const tensors = isTuple(state) ? state.items[1] : undefined;
  const table = tensors instanceof ListValue ? tensors.items[0] : object?.attributes.get('weight');
  return table instanceof TensorValue ? table : context.unsupported('packed embeddings of this form');
}

/** The packed parameters of a layer. */
function pack(
  className: string,
  weight: TensorValue,
  bias: TensorValue | null,
  options: Record<string, Value> = {},
): Value {
  return new ObjectValue(`${CLASSES}.${className}`, new Map(Object.entries({ weight, bias, ...options })), '');
}

const unpacked = (context: LowerContext, packed: Value): Value[] => {
  const { weight, bias } = unpack(context, packed);
  return [weight, bias];
};

/** The options of a packed convolution. */
export interface PackedConvolution {
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
}

/** The options with which a convolution was packed. */
export function convolutionOf(context: LowerContext, packed: Value): PackedConvolution {
  const attributes = packed instanceof ObjectValue ? packed.attributes : new Map<string, Value>();
  const numbers = (name: string): readonly number[] => {
    const list = attributes.get(name);
    return list instanceof ListValue
      ? list.items.map(Number)
      : context.unsupported('a packed convolution of this form');
  };
  return {
    stride: numbers('stride'),
    padding: numbers('padding'),
    dilation: numbers('dilation'),
    groups: Number(attributes.get('groups')),
  };
}

const W = '__torch__.torch.classes.quantized.LinearPackedParamsBase';
defineOp(
  'quantized::linear_prepack(Tensor W, Tensor? B=None) -> __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack',
  (_, args) => pack('LinearPackedParamsBase', args.W, args.B),
);
defineOp(
  'quantized::linear_prepack_fp16(Tensor W, Tensor? B=None) -> __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack',
  (_, args) => pack('LinearPackedParamsBase', args.W, args.B),
);
defineOp(`quantized::linear_unpack(${W} W_prepack) -> (Tensor W_origin, Tensor? B_origin)`, (context, args) =>
  unpacked(context, args.W_prepack),
);
defineOp(`quantized::linear_unpack_fp16(${W} W_prepack) -> (Tensor W_origin, Tensor? B_origin)`, (context, args) =>
  unpacked(context, args.W_prepack),
);

defineOp(
  'quantized::embedding_bag_prepack(Tensor weight) -> __torch__.torch.classes.quantized.EmbeddingPackedParamsBase W_prepack',
  (_, { weight }) => pack('EmbeddingPackedParamsBase', weight, null),
);
defineOp(
  'quantized::embedding_bag_unpack(__torch__.torch.classes.quantized.EmbeddingPackedParamsBase W_prepack) -> Tensor W_origin',
  (context, args) => tableOf(context, args.W_prepack),
);

const CONVOLUTIONS = [
  ['conv1d', 'Conv2dPackedParamsBase'],
  ['conv2d', 'Conv2dPackedParamsBase'],
  ['conv3d', 'Conv3dPackedParamsBase'],
] as const;
for (const [name, className] of CONVOLUTIONS) {
  defineOp(
    `quantized::${name}_prepack(Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, int groups) -> ${CLASSES}.${className}`,
    (_, { weight, bias, stride, padding, dilation, groups }) => {
      const list = (numbers: readonly number[]): ListValue => new ListValue(numbers.map(BigInt));
      return pack(className, weight, bias, {
        stride: list(stride),
        padding: list(padding),
        dilation: list(dilation),
        groups: BigInt(groups),
      });
    },
  );
  defineOp(
    `quantized::${name}_unpack(${CLASSES}.${className} packed_weights) -> (Tensor unpacked_weights, Tensor? B_origin)`,
    (context, args) => unpacked(context, args.packed_weights),
  );
}
