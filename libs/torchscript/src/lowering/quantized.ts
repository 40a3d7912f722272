import type { PickleTensor } from '../pickle/pickle-value.ts';
import type { ScalarType } from '../scalar-type.ts';
import type { LowerContext } from '../symbolic/lower-context.ts';
import { codesTypeOf, isQuantized } from '../symbolic/onnx-types.ts';
import { TensorValue, type Quantizer } from '../symbolic/values.ts';
import { binary } from './arithmetic.ts';

/** Smallest and largest element of each quantized type. */
export const CODE_RANGES: Readonly<Partial<Record<ScalarType, readonly [least: number, most: number]>>> = {
  qint8: [-128, 127],
  quint8: [0, 255],
  qint32: [-(2 ** 31), 2 ** 31 - 1],
};

/** Whether a tensor is quantized. The graph holds it as the float32 numbers that its elements stand for. */
export function isQuantizedTensor(value: unknown): value is TensorValue {
  return value instanceof TensorValue && isQuantized(value.dtype);
}

/** The numbers of a quantized tensor as float32 [same shape]; another tensor as it is. */
export function numbersOf(context: LowerContext, tensor: TensorValue): TensorValue {
  const { content } = tensor;
  if (!isQuantized(content.dtype)) return tensor;
  if (content.data.kind === 'graph') return new TensorValue({ ...content, dtype: 'float32', quantizer: undefined });
  if (content.data.kind !== 'weight') return context.unsupported('a quantized tensor without storage');
  const { tensor: stored, path } = content.data;
  if (stored.quantizer === undefined) return context.unsupported('a quantized tensor without a scale');
  const codes = context.cast(
    new TensorValue({
      ...content,
      dtype: codesTypeOf(content.dtype),
      data: { ...content.data, path: `${path}.codes` },
    }),
    'float32',
  );
  const part = (value: number | PickleTensor, name: string): TensorValue => {
    if (typeof value === 'number') return context.scalar(value, 'float32');
    const { dtype } = value.storage;
    const data = { kind: 'weight', tensor: value, path: `${path}.${name}` } as const;
    const axis = stored.quantizer?.kind === 'channel' ? stored.quantizer.axis : 0;
    const whole = new TensorValue({ dtype, shape: value.sizes, data, contiguous: true });
    const spread = content.shape.map((size, i) => (i === axis ? size : 1));
    return context.reshape(context.cast(whole, 'float32'), spread);
  };
  const { scale, zeroPoint } = stored.quantizer;
  // The zero points of embeddings are float numbers that are already multiplied: PyTorch also computes (q - zero) * scale there.
  return binary(context, 'Mul', binary(context, 'Sub', codes, part(zeroPoint, 'zero_point')), part(scale, 'scale'));
}

/** `numbers` rounded to the nearest number that has a code from `least` to `most`, as PyTorch's `fake_quantize` does. */
export function snap(
  context: LowerContext,
  numbers: TensorValue,
  quantizer: { readonly scale: TensorValue; readonly zeroPoint: TensorValue },
  [least, most]: readonly [number, number],
): TensorValue {
  const { scale, zeroPoint } = quantizer;
  const inverse = binary(context, 'Div', context.scalar(1, 'float32'), scale);
  const steps = context.node('Round', [binary(context, 'Mul', numbers, inverse)]);
  const codes = context.node('Clip', [
    binary(context, 'Add', steps, zeroPoint),
    context.scalar(least, 'float32'),
    context.scalar(most, 'float32'),
  ]);
  return binary(context, 'Mul', binary(context, 'Sub', codes, zeroPoint), scale);
}

/** Quantizes a float32 tensor to `dtype`. */
export function quantize(
  context: LowerContext,
  numbers: TensorValue,
  dtype: ScalarType,
  quantizer: Quantizer,
): TensorValue {
  const range = CODE_RANGES[dtype];
  if (range === undefined) return context.unsupported(`quantization to ${dtype}`);
  const scale = context.scalar(quantizer.scale, 'float32');
  const zeroPoint = context.scalar(quantizer.zeroPoint, 'float32');
  const { content } = snap(context, context.cast(numbers, 'float32'), { scale, zeroPoint }, range);
  return new TensorValue({ ...content, dtype, quantizer });
}

/** Scale and zero point of a quantized tensor that has one of each. */
export function quantizerOf(context: LowerContext, tensor: TensorValue): Quantizer {
  const { quantizer, data } = tensor.content;
  if (quantizer !== undefined) return quantizer;
  const stored = data.kind === 'weight' ? data.tensor.quantizer : undefined;
  if (stored?.kind === 'tensor') return stored;
  return context.unsupported('a tensor with one scale for each channel', 'quantize activations per tensor');
}
