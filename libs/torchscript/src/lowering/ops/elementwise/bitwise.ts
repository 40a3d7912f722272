import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { binary, choose, compare } from '../../arithmetic.ts';
import { opFamily } from '../../define-op.ts';
import type { Operand } from '../../promotion.ts';
import { rangeOf } from '../../dims.ts';
import { assign, promoted, refuseFloats } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Operators on the bits of integers and on bool tensors. */
export const bitwise = ops;

type Lowering = (context: LowerContext, a: Operand, b: Operand) => TensorValue;

/** `&`, `|` or `^`. ONNX has one operator for bool tensors and another for integers. */
function bitOperator(opType: 'And' | 'Or' | 'Xor'): Lowering {
  return (context, a, b) => {
    const [x, y] = promoted(context, a, b);
    refuseFloats(context, x.dtype, 'a bitwise operator');
    return binary(context, x.dtype === 'bool' ? opType : `Bitwise${opType}`, x, y);
  };
}

const BITS: Readonly<Partial<Record<ScalarType, number>>> = { uint8: 8, int8: 8, int16: 16, int32: 32, int64: 64 };

/** An int64 in which only bit `i` is set. */
const bit = (i: number): bigint => BigInt.asIntN(64, 1n << BigInt(i));

/** Shifts as multiplications and divisions, because ONNX shifts unsigned integers only. */
function shift(direction: 'left' | 'right'): Lowering {
  return (context, a, b) => {
    const [x, y] = promoted(context, a, b);
    const { dtype } = x;
    const bits = BITS[dtype];
    if (bits === undefined) return context.unsupported(`a shift of ${dtype} tensors`, 'convert them to integers first');
    const [value, count] = [context.cast(x, 'int64'), context.cast(y, 'int64')];
    const whole = (n: number): TensorValue => context.scalar(BigInt(n), 'int64');
    const most = direction === 'left' ? bits - 1 : Math.min(bits - 1, 62);
    const places = context.node('Clip', [count, whole(0), whole(most)]);
    const factor = context.node('Gather', [context.constant(rangeOf(64).map(bit), 'int64', [64]), places], {
      dtype: 'int64',
      shape: places.content.shape,
    });
    const beyond = binary(
      context,
      'Or',
      compare(context, 'Less', count, whole(0)),
      compare(context, 'Greater', count, whole(most)),
    );
    if (direction === 'left') {
      return context.cast(choose(context, beyond, whole(0), binary(context, 'Mul', value, factor)), dtype);
    }
    const rest = context.node('Mod', [value, factor], { shape: binary(context, 'Add', value, factor).content.shape });
    const shifted = binary(context, 'Div', binary(context, 'Sub', value, rest), factor);
    // Only the sign remains of all bits.
    const sign = choose(context, compare(context, 'Less', value, whole(0)), whole(-1), whole(0));
    return context.cast(choose(context, beyond, sign, shifted), dtype);
  };
}

for (const [name, symbol, lower] of [
  ['bitwise_and', 'and', bitOperator('And')],
  ['bitwise_or', 'or', bitOperator('Or')],
  ['bitwise_xor', 'xor', bitOperator('Xor')],
  ['bitwise_left_shift', 'lshift', shift('left')],
  ['bitwise_right_shift', 'rshift', shift('right')],
] as const) {
  const scalarOther = symbol.endsWith('shift') ? 'Tensor_Scalar' : 'Scalar';
  defineOp(`aten::${name}.Tensor(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
    lower(context, self, other),
  );
  defineOp(`aten::${name}.${scalarOther}(Tensor self, Scalar other) -> Tensor`, (context, { self, other }) =>
    lower(context, self, other),
  );
  defineOp(`aten::${name}.Scalar_Tensor(Scalar self, Tensor other) -> Tensor`, (context, { self, other }) =>
    lower(context, self, other),
  );
  defineOp(`aten::__${symbol}__.Tensor(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
    lower(context, self, other),
  );
  defineOp(`aten::__${symbol}__.Scalar(Tensor self, Scalar other) -> Tensor`, (context, { self, other }) =>
    lower(context, self, other),
  );
  // `x &= y`. Its name does not end with an underscore, so it is not derived as an in-place variant.
  defineOp(`aten::__i${symbol}__.Tensor(Tensor(a!) self, Tensor other) -> Tensor(a!)`, (context, { self, other }) =>
    assign(context, self, lower(context, self, other)),
  );
  defineOp(`aten::__i${symbol}__.Scalar(Tensor(a!) self, Scalar other) -> Tensor(a!)`, (context, { self, other }) =>
    assign(context, self, lower(context, self, other)),
  );
}

defineOp('aten::bitwise_not(Tensor self) -> Tensor', (context, { self }) => {
  refuseFloats(context, self.dtype, 'a bitwise operator');
  return context.node(self.dtype === 'bool' ? 'Not' : 'BitwiseNot', [self]);
});
