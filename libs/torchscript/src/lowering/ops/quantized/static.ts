import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue, Value } from '../../../symbolic/values.ts';
import { binary } from '../../arithmetic.ts';
import { opFamily } from '../../define-op.ts';
import { numbersOf, quantize, quantizerOf, snap } from '../../quantized.ts';
import { int } from '../../attributes.ts';
import { convolve } from '../convolution.ts';
import { linearLayer } from '../linear.ts';
import { convolutionOf, unpack } from './packed.ts';
import { addDims } from '../../../symbolic/sym-int.ts';

const { ops, defineOp } = opFamily('quantized');

/** Quantization with scales that are known at compile time, and layers whose results are quantized. */
export const staticLayers = ops;

defineOp(
  'aten::quantize_per_tensor(Tensor self, float scale, int zero_point, ScalarType dtype) -> Tensor',
  (context, { self, scale, zero_point, dtype }) => quantize(context, self, dtype, { scale, zeroPoint: zero_point }),
);
defineOp(
  'aten::quantize_per_tensor.tensor_qparams(Tensor self, Tensor scale, Tensor zero_point, ScalarType dtype) -> Tensor',
  (context, { self, scale, zero_point, dtype }) =>
    quantize(context, self, dtype, { scale: known(context, scale), zeroPoint: known(context, zero_point) }),
);

function known(context: LowerContext, tensor: TensorValue): number {
  const [value] = context.elementsOf(tensor) ?? [];
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  return context.unsupported('a scale that is computed at run time', 'quantize with fixed scales');
}

defineOp('aten::dequantize.self(Tensor self) -> Tensor', (context, { self }) => numbersOf(context, self));
defineOp('aten::dequantize.tensors(Tensor[] tensors) -> Tensor[]', (context, { tensors }) =>
  tensors.map((tensor) => numbersOf(context, tensor)),
);
defineOp('aten::int_repr(Tensor self) -> Tensor', (context, { self }) => {
  const { scale, zeroPoint } = quantizerOf(context, self);
  const steps = binary(context, 'Div', numbersOf(context, self), context.scalar(scale, 'float32'));
  const codes = binary(context, 'Add', context.node('Round', [steps]), context.scalar(zeroPoint, 'float32'));
  return context.cast(codes, self.dtype === 'quint8' ? 'uint8' : self.dtype === 'qint8' ? 'int8' : 'int32');
});
defineOp('aten::q_scale(Tensor self) -> float', (context, { self }) => quantizerOf(context, self).scale);
defineOp('aten::q_zero_point(Tensor self) -> int', (context, { self }) => BigInt(quantizerOf(context, self).zeroPoint));

defineOp(
  'aten::fake_quantize_per_tensor_affine(Tensor self, float scale, int zero_point, int quant_min, int quant_max) -> Tensor',
  (context, { self, scale, zero_point, quant_min, quant_max }) =>
    snap(context, self, { scale: context.scalar(scale, 'float32'), zeroPoint: context.scalar(zero_point, 'float32') }, [
      quant_min,
      quant_max,
    ]),
);
defineOp(
  'aten::fake_quantize_per_tensor_affine.tensor_qparams(Tensor self, Tensor scale, Tensor zero_point, int quant_min, int quant_max) -> Tensor',
  (context, { self, scale, zero_point, quant_min, quant_max }) => {
    const one = (tensor: TensorValue): TensorValue => context.reshape(context.cast(tensor, 'float32'), []);
    return snap(context, self, { scale: one(scale), zeroPoint: one(zero_point) }, [quant_min, quant_max]);
  },
);
defineOp(
  'aten::fake_quantize_per_channel_affine(Tensor self, Tensor scale, Tensor zero_point, int axis, int quant_min, int quant_max) -> Tensor',
  (context, { self, scale, zero_point, axis, quant_min, quant_max }) => {
    const shape = self.shape.map((size, i) => (i === context.axis(axis, self.rank) ? size : 1));
    const spread = (tensor: TensorValue): TensorValue => context.reshape(context.cast(tensor, 'float32'), shape);
    return snap(context, self, { scale: spread(scale), zeroPoint: spread(zero_point) }, [quant_min, quant_max]);
  },
);

/** Scale and zero point of a layer's result. */
interface Output {
  readonly scale: number;
  readonly zeroPoint: number;
  readonly relu: boolean;
}

/** `numbers`, after ReLU if the layer has one, with the quantized type of `like`. */
function finish(context: LowerContext, numbers: TensorValue, like: TensorValue, { relu, ...to }: Output): TensorValue {
  return quantize(context, relu ? context.node('Relu', [numbers]) : numbers, like.dtype, to);
}

function linear(context: LowerContext, input: TensorValue, packed: Value, output: Output): TensorValue {
  const { weight, bias } = unpack(context, packed);
  const sums = linearLayer(context, numbersOf(context, input), numbersOf(context, weight), bias);
  return finish(context, sums, input, output);
}

for (const relu of [false, true]) {
  const suffix = relu ? '_relu' : '';
  defineOp(
    `quantized::linear${suffix as ''}(Tensor X, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack, float Y_scale_i, int Y_zero_point_i) -> Tensor Y`,
    (context, { X, W_prepack, Y_scale_i: scale, Y_zero_point_i: zeroPoint }) =>
      linear(context, X, W_prepack, { scale, zeroPoint, relu }),
  );
  for (const [name, className] of [
    ['conv1d', 'Conv2d'],
    ['conv2d', 'Conv2d'],
    ['conv3d', 'Conv3d'],
  ] as const) {
    const key = name === 'conv1d' ? `${name}${suffix}` : `${name}${suffix}.new`;
    defineOp(
      `quantized::${key as 'conv2d'}(Tensor qx, __torch__.torch.classes.quantized.${className}PackedParamsBase packed_weight, float output_scale, int output_zero_point) -> Tensor`,
      (context, { qx, packed_weight, output_scale: scale, output_zero_point: zeroPoint }) => {
        const { weight, bias } = unpack(context, packed_weight);
        const options = convolutionOf(context, packed_weight);
        const sums = convolve(context, numbersOf(context, qx), numbersOf(context, weight), bias, options);
        return finish(context, sums, qx, { scale, zeroPoint, relu });
      },
    );
  }
  for (const [name, opType] of [
    ['add', 'Add'],
    ['mul', 'Mul'],
  ] as const) {
    defineOp(
      `quantized::${`${name}${suffix}` as 'add'}(Tensor qa, Tensor qb, float scale, int zero_point) -> Tensor qc`,
      (context, { qa, qb, scale, zero_point: zeroPoint }) => {
        const numbers = binary(context, opType, numbersOf(context, qa), numbersOf(context, qb));
        return finish(context, numbers, qa, { scale, zeroPoint, relu });
      },
    );
  }
  defineOp(
    `quantized::cat${suffix as ''}(Tensor[] qx, int dim, float? scale, int? zero_point) -> Tensor`,
    (context, { qx, dim, scale, zero_point }) => {
      const first = qx[0] ?? context.unsupported('a cat of no tensors');
      const axis = context.axis(dim, first.rank);
      const size = qx.map((tensor) => tensor.shape[axis] ?? 1).reduce((sum, part) => addDims(sum, part));
      const joined = context.node(
        'Concat',
        qx.map((tensor) => numbersOf(context, tensor)),
        {
          shape: first.shape.map((part, i) => (i === axis ? size : part)),
          attributes: { axis: int(axis) },
        },
      );
      const own =
        scale === null || zero_point === null ? quantizerOf(context, first) : { scale, zeroPoint: zero_point };
      return finish(context, joined, first, { ...own, relu });
    },
  );
}
