import type { LowerContext } from '../symbolic/lower-context.ts';
import { sameDim } from '../symbolic/sym-int.ts';
import { TensorValue, type TensorContent } from '../symbolic/values.ts';
import { int } from './attributes.ts';
import { broadcastShapes } from './broadcast.ts';
import type { PickleStorage } from '../pickle/pickle-value.ts';
import type { ScalarType } from '../scalar-type.ts';

/**
 * Whether a dtype is complex. ONNX has no complex tensors. A complex tensor is held as real and imaginary parts along an additional
 * last axis of size 2, as from `torch.view_as_real`; its shape does not include this axis. Only operators that read the parts accept
 * it. As the input of any other node it is refused.
 */
export function isComplex(dtype: ScalarType): boolean {
  return dtype.startsWith('complex');
}

/** The dtype of the parts of a complex tensor. */
export function partType(dtype: ScalarType): 'float32' | 'float64' {
  return dtype === 'complex128' ? 'float64' : 'float32';
}

/** The complex tensor [...] with the parts `parts` [..., 2]. */
export function complexOf(context: LowerContext, parts: TensorValue): TensorValue {
  const { content } = parts.content.data.kind === 'graph' ? parts : context.node('Identity', [parts]);
  return new TensorValue({
    ...content,
    dtype: content.dtype === 'float64' ? 'complex128' : 'complex64',
    shape: content.shape.slice(0, -1),
  });
}

/** The parts [..., 2] of a complex tensor [...]. */
export function partsOf(context: LowerContext, tensor: TensorValue): TensorValue {
  const { content } = tensor;
  if (isComplex(content.dtype) && content.data.kind === 'weight') return weightParts(content, content.data);
  if (!isComplex(content.dtype) || content.data.kind !== 'graph') {
    return context.unsupported(
      `a ${content.dtype} tensor`,
      'complex inputs are not supported: pass real and imaginary parts',
    );
  }
  return new TensorValue({
    ...content,
    dtype: partType(content.dtype),
    shape: [...content.shape, 2],
  });
}

/** The storages of complex weights, as numbers: a storage is known by its object. */
const partStorages = new WeakMap<PickleStorage, PickleStorage>();

/** The parts of a complex weight: its storage holds them side by side. */
function weightParts(content: TensorContent, data: Extract<TensorContent['data'], { kind: 'weight' }>): TensorValue {
  const dtype = partType(content.dtype);
  const { storage, storageOffset, sizes, strides } = data.tensor;
  const parts = partStorages.get(storage) ?? { ...storage, dtype, elements: storage.elements * 2 };
  partStorages.set(storage, parts);
  const tensor = {
    ...data.tensor,
    storage: parts,
    storageOffset: storageOffset * 2,
    sizes: [...sizes, 2],
    strides: [...strides.map((stride) => stride * 2), 1],
  };
  return new TensorValue({ ...content, dtype, shape: [...content.shape, 2], data: { ...data, tensor } });
}

/** The real and the imaginary part of a complex tensor. */
export interface ComplexParts {
  readonly re: TensorValue;
  readonly im: TensorValue;
}

/** The parts of complex tensors that were made from them: reading them costs no node. */
const known = new WeakMap<TensorContent, ComplexParts>();

/** The complex tensor of two real tensors, which are broadcast to one shape. */
export function joinParts(context: LowerContext, parts: ComplexParts): TensorValue {
  const { re, im } = alikeParts(context, parts);
  const columns = [re, im].map((part) => context.reshape(part, [...part.shape, 1]));
  const joined = complexOf(
    context,
    context.node('Concat', columns, { shape: [...re.shape, 2], attributes: { axis: int(-1) } }),
  );
  known.set(joined.content, { re, im });
  return joined;
}

/** Complex tensors whose elements another tensor shares without a link between the two. */
const shared = new WeakSet<TensorValue>();

/** Notes that a tensor without a link to `tensor` shares its elements: a change in place would be lost in one of them. */
export function noteShared(tensor: TensorValue): void {
  shared.add(rootOf(tensor));
}

/** Whether a change of a complex tensor in place reaches all tensors that share its elements. */
export function mayChange(tensor: TensorValue): boolean {
  const root = rootOf(tensor);
  return known.has(root.content) && !shared.has(root);
}

const rootOf = (tensor: TensorValue): TensorValue => (tensor.view === undefined ? tensor : rootOf(tensor.view.base));

/** The parts of a complex tensor. */
export function splitParts(context: LowerContext, tensor: TensorValue): ComplexParts {
  const own = known.get(tensor.content);
  if (own !== undefined) return own;
  const both = partsOf(context, tensor);
  const part = (which: bigint): TensorValue =>
    context.node('Gather', [both, context.scalar(which, 'int64')], {
      shape: tensor.shape,
      attributes: { axis: int(tensor.rank) },
    });
  return { re: part(0n), im: part(1n) };
}

/** Parts of the same dtype and shape. */
function alikeParts(context: LowerContext, { re, im }: ComplexParts): ComplexParts {
  const dtype = re.dtype === 'float64' || im.dtype === 'float64' ? 'float64' : 'float32';
  const shape = broadcastShapes(context, re.shape, im.shape);
  const alike = (part: TensorValue): TensorValue => {
    const own = context.cast(part, dtype);
    const same = own.rank === shape.length && own.shape.every((size, i) => sameDim(size, shape[i] ?? -1));
    return same ? own : context.expand(own, shape);
  };
  return { re: alike(re), im: alike(im) };
}

/** A tensor in another dtype, if one of the two is complex. A real result has the real part, as PyTorch's has. */
export function convertComplex(context: LowerContext, tensor: TensorValue, dtype: ScalarType): TensorValue {
  if (!isComplex(dtype)) return context.cast(splitParts(context, tensor).re, dtype);
  const cast = (part: TensorValue): TensorValue => context.cast(part, partType(dtype));
  if (!isComplex(tensor.dtype)) {
    return joinParts(context, { re: cast(tensor), im: context.scalar(0, partType(dtype)) });
  }
  const { re, im } = splitParts(context, tensor);
  return joinParts(context, { re: cast(re), im: cast(im) });
}

/** The angle of `re + i im` from -π to π, as `atan2(im, re)`. */
export function angleOf(context: LowerContext, parts: ComplexParts): TensorValue {
  const { re, im } = alikeParts(context, parts);
  const { dtype, shape } = re;
  const number = (value: number): TensorValue => context.scalar(value, dtype);
  const square = (part: TensorValue): TensorValue => context.node('Mul', [part, part]);
  const length = context.node('Sqrt', [context.node('Add', [square(re), square(im)])]);
  const isNegative = context.node('Less', [re, number(0)], { dtype: 'bool', shape });
  const choose = (left: TensorValue, right: TensorValue): TensorValue =>
    context.node('Where', [isNegative, left, right], { dtype, shape });
  // tan(a / 2) is im / (length + re) and (length - re) / im. The one without a difference of near numbers is exact.
  const above = choose(context.node('Sub', [length, re]), im);
  const below = choose(im, context.node('Add', [length, re]));
  const half = context.node('Atan', [context.node('Div', [above, below])]);
  const onAxis = context.node('Equal', [im, number(0)], { dtype: 'bool', shape });
  const straight = choose(number(Math.PI), number(0));
  return context.node('Where', [onAxis, straight, context.node('Mul', [half, number(2)])], { dtype, shape });
}

/** `sqrt(re² + im²)` of a complex tensor. */
export function magnitude(context: LowerContext, tensor: TensorValue): TensorValue {
  const parts = partsOf(context, tensor);
  return context.node('ReduceL2', [parts, context.ints([tensor.rank])], {
    shape: tensor.shape,
    attributes: { keepdims: { int: 0 } },
  });
}
