import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import { mulDims, productOf, SymInt, type Dim } from '../../../symbolic/sym-int.ts';
import { ListValue, type TensorValue, type DeviceValue, type Value } from '../../../symbolic/values.ts';
import { SCALAR_TYPE_BYTES, SCALAR_TYPES, type ScalarType } from '../../../scalar-type.ts';
import { broadcastShapes } from '../../broadcast.ts';
import { isComplex } from '../../complex.ts';
import { rangeOf, sameShape } from '../../dims.ts';
import { promoteTypes, resultType, type Operand } from '../../promotion.ts';
import { asDim, fromDim } from '../../scalar-math.ts';
import { readSelect } from '../../slicing.ts';
import { listOfElements } from './list-numbers.ts';
import { scalarFamily } from './scalar-family.ts';

const { ops, defineScalarOp, defineTolerantOp } = scalarFamily();

/** Operators that tell facts about tensors and devices. */
export const tensorFacts = ops;

const shapeOf = (context: LowerContext, value: Value | undefined): Dim[] =>
  (value as TensorValue).shape.map((dim) => context.resolve(dim));
const typeOf = (value: Value | undefined): ScalarType => (value as TensorValue).dtype;
const typeNumber = (dtype: ScalarType): bigint => BigInt(SCALAR_TYPES.indexOf(dtype));

// ---- sizes -------------------------------------------------------------------------------------------------------------

for (const key of [
  'aten::size.int(Tensor self, int dim) -> int',
  'aten::sym_size.int(Tensor self, int dim) -> SymInt',
]) {
  defineScalarOp(key, (context, { self, dim }) => {
    const shape = shapeOf(context, self);
    const axis = asDim(context, dim as bigint);
    if (axis instanceof SymInt)
      return context.unsupported(
        'the size of an axis whose number is known only at run time',
        'give the axis as a number',
      );
    if (shape.length === 0)
      return context.unsupported(`dimension ${axis} of a tensor of rank 0`, 'check the ranks of the inputs');
    return fromDim(shape[context.axis(axis, shape.length)] ?? 1);
  });
}
for (const key of ['aten::size(Tensor self) -> int[]', 'prim::shape(Tensor self) -> int[]']) {
  defineScalarOp(key, (context, { self }) => shapeOf(context, self).map(fromDim));
}
defineScalarOp('aten::len.Tensor(Tensor t) -> int', (context, { t }) => {
  const [length] = shapeOf(context, t);
  return length === undefined
    ? context.unsupported('len of a tensor of rank 0', 'check the ranks of the inputs')
    : fromDim(length);
});
defineScalarOp('aten::dim(Tensor self) -> int', (_, { self }) => BigInt((self as TensorValue).rank));
defineScalarOp('prim::ndim(Tensor self) -> int', (_, { self }) => BigInt((self as TensorValue).rank));
for (const name of ['aten::numel', 'aten::sym_numel', 'prim::numel']) {
  defineScalarOp(`${name}(Tensor self) -> int`, (context, { self }) => fromDim(productOf(shapeOf(context, self))));
}
defineScalarOp('aten::_shape_as_tensor(Tensor self) -> Tensor', (context, { self }) =>
  context.ints(shapeOf(context, self)),
);

/** The strides of a contiguous tensor. */
function strides(context: LowerContext, self: Value | undefined): Dim[] {
  let step: Dim = 1;
  const found = shapeOf(context, self)
    .toReversed()
    .map((dim) => {
      const stride = step;
      step = mulDims(step, dim);
      return stride;
    });
  return found.reverse();
}
defineScalarOp('aten::stride(Tensor self) -> int[]', (context, { self }) => strides(context, self).map(fromDim));
defineScalarOp('aten::stride.int(Tensor self, int dim) -> int', (context, { self, dim }) =>
  fromDim(strides(context, self)[context.axis(Number(dim), (self as TensorValue).rank)] ?? 1),
);
defineScalarOp('aten::storage_offset(Tensor self) -> int', () => 0n);
defineScalarOp('aten::is_same_size(Tensor self, Tensor other) -> bool', (context, { self, other }) =>
  sameShape(shapeOf(context, self), shapeOf(context, other)),
);
for (const name of ['_infer_size', 'broadcast_shapes']) {
  defineScalarOp(`aten::${name}(int[] a, int[] b) -> int[]`, (context, { a, b }) => {
    const [x = [], y = []] = [a, b].map((list) =>
      (list as ListValue).items.map((item) => asDim(context, item as bigint)),
    );
    return broadcastShapes(context, x, y).map(fromDim);
  });
}

// ---- dtypes and devices ------------------------------------------------------------------------------------------------

defineScalarOp('prim::dtype(Tensor a) -> int', (_, { a }) => typeNumber(typeOf(a)));
defineScalarOp('prim::layout(Tensor a) -> Layout', () => 0n);
defineScalarOp('prim::itemsize(Tensor a) -> int', (_, { a }) => BigInt(SCALAR_TYPE_BYTES[typeOf(a)]));
defineScalarOp('aten::element_size(Tensor self) -> int', (_, { self }) => BigInt(SCALAR_TYPE_BYTES[typeOf(self)]));
defineScalarOp('aten::is_floating_point(Tensor self) -> bool', (_, { self }) => isFloating(typeOf(self)));
defineScalarOp('aten::is_complex(Tensor self) -> bool', (_, { self }) => isComplex(typeOf(self)));
defineScalarOp('aten::is_signed(Tensor self) -> bool', (_, { self }) => !['uint8', 'bool'].includes(typeOf(self)));
defineScalarOp('aten::is_contiguous(Tensor self) -> bool', (_, { self }) => (self as TensorValue).content.contiguous);
defineScalarOp('aten::promote_types(int type1, int type2) -> int', (_, { type1, type2 }) => {
  const [x = 'float32', y = 'float32'] = [type1, type2].map((type) => SCALAR_TYPES[Number(type)]);
  return typeNumber(promoteTypes(x, y));
});
for (const key of [
  'Tensor(Tensor tensor, Tensor other)',
  'Scalar(Tensor tensor, Scalar other)',
  'Scalar_Tensor(Scalar scalar, Tensor tensor)',
  'Scalar_Scalar(Scalar scalar1, Scalar scalar2)',
]) {
  defineScalarOp(`aten::result_type.${key} -> ScalarType`, (_, args) =>
    typeNumber(resultType(Object.values(args) as Operand[])),
  );
}

const CPU: DeviceValue = { kind: 'device', device: 'cpu' };
defineScalarOp('prim::device(Tensor a) -> Device', () => CPU);
defineScalarOp('aten::device(str a) -> Device', (_, { a }) => ({ kind: 'device', device: a as string }));
defineScalarOp('aten::device.with_index(str type, int index) -> Device', (_, { type, index }) => ({
  kind: 'device',
  device: `${type as string}:${String(index)}`,
}));
defineScalarOp('prim::type(Device self) -> str', (_, { self }) => (self as DeviceValue).device.split(':')[0] ?? 'cpu');
defineScalarOp('prim::index(Device self) -> int?', (_, { self }) => {
  const index = (self as DeviceValue).device.split(':')[1];
  return index === undefined ? null : BigInt(index);
});
defineScalarOp('aten::get_device(Tensor self) -> int', () => -1n);
defineScalarOp('prim::is_cpu(Tensor a) -> bool', () => true);
for (const kind of ['cuda', 'ipu', 'xpu', 'mps', 'mtia', 'maia', 'hpu', 'xla', 'vulkan', 'meta', 'mkldnn']) {
  defineScalarOp(`prim::is_${kind}(Tensor a) -> bool`, () => false);
}
for (const kind of ['sparse', 'sparse_csr', 'quantized', 'nested', 'leaf']) {
  defineScalarOp(`prim::is_${kind}(Tensor a) -> bool`, () => kind === 'leaf');
}
for (const name of ['is_leaf', 'is_inference']) defineScalarOp(`aten::${name}(Tensor self) -> bool`, () => true);
for (const name of ['is_conj', 'is_neg', 'is_pinned', 'is_distributed']) {
  defineScalarOp(`aten::${name}(Tensor self) -> bool`, () => false);
}
// Compiled models are not trained.
defineScalarOp('prim::requires_grad(Tensor a) -> bool', () => false);
defineScalarOp('prim::grad(Tensor a) -> Tensor?', () => null);
defineScalarOp('prim::data(Tensor(a) a) -> Tensor(a)', (_, { a }) => a);
defineScalarOp('prim::name(Tensor a) -> str?', () => null);

// ---- elements as numbers -------------------------------------------------------------------------------------------------

/** Above this many elements, they are read when the code reads them. */
const MAX_LIST = 4096;

/** The elements of a tensor as nested lists of numbers. */
function toList(context: LowerContext, tensor: TensorValue): Value {
  const [length, ...rest] = shapeOf(context, tensor);
  if (length === undefined) return context.item(tensor);
  const count = [length, ...rest].reduce<number>((n, d) => n * (typeof d === 'number' ? d : Infinity), 1);
  if (typeof length !== 'number' || count > MAX_LIST) return listOfElements(context, tensor);
  const known = context.elementsOf(tensor);
  if (known !== undefined && rest.length === 0) return new ListValue(known);
  return new ListValue(rangeOf(length).map((i) => toList(context, readSelect(context, tensor, 0, i))));
}
defineScalarOp('aten::tolist(Tensor self) -> Scalar[]', (context, { self }) => toList(context, self as TensorValue));
defineScalarOp('prim::tolist(Tensor self, ...) -> Scalar[]', (context, { self }) =>
  toList(context, self as TensorValue),
);

// ---- facts about the process and the program -----------------------------------------------------------------------------

/** Answers to questions about the process: the program is scripted and runs on a CPU, without gradients. */
const ANSWERS: Readonly<Record<string, Value>> = {
  'is_grad_enabled() -> bool': false,
  'is_scripting() -> bool': true,
  'is_autocast_enabled() -> bool': false,
  'is_autocast_cpu_enabled() -> bool': false,
  'is_vulkan_available() -> bool': false,
  '_nnpack_available() -> bool': false,
  '_use_cudnn_rnn_flatten_weight() -> bool': false,
  '_get_tracing_state() -> bool': false,
};
for (const [key, answer] of Object.entries(ANSWERS)) defineScalarOp(`aten::${key}`, () => answer);
defineScalarOp('aten::is_autocast_enabled.device(str device_type) -> bool', () => false);
defineTolerantOp('aten::has_torch_function(...) -> bool', () => false);
for (const key of [
  'warn(str message, int stacklevel=2)',
  'set_grad_enabled(bool val)',
  'manual_seed(int seed)',
  '_print(str s)',
  '_assert_scalar(Scalar self, str assert_msg)',
  '_assert_async(Tensor self)',
  '_assert_async.msg(Tensor self, str assert_msg)',
]) {
  defineTolerantOp(`aten::${key} -> ()`, () => undefined);
}
defineTolerantOp('aten::wait(t self) -> t', (_, { self }) => self);
for (const name of ['prim::unchecked_unwrap_optional', 'aten::_unwrap_optional']) {
  defineTolerantOp(
    `${name}(t optional) -> t`,
    (context, { optional }) =>
      optional ??
      context.unsupported('None for a value that the code needs', 'pass the optional argument that is left out'),
  );
}
defineTolerantOp('prim::unchecked_cast(t x) -> t', (_, { x }) => x);
defineTolerantOp('prim::TupleIndex(Any tup, int i) -> Any', (_, { tup, i }) => {
  const items = (tup as { readonly items?: readonly Value[] } | null)?.items ?? [];
  return items.at(Number(i)) ?? null;
});
defineScalarOp('prim::IfThenElse(bool cond, t x, t y) -> t', (context, { cond, x, y }) => {
  if (typeof cond === 'boolean') return cond ? x : y;
  return context.unsupported('a conditional expression that depends on the data of the input', 'use torch.where');
});
