import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import type { Scalar, TensorValue } from '../../../symbolic/values.ts';
import { binary } from '../../arithmetic.ts';
import { opFamily } from '../../define-op.ts';
import { operandAs, resultType, type Operand } from '../../promotion.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Weighted sums of several tensors. */
export const blending = ops;

/** `self + value * (tensor1 op tensor2)`. */
function addCombined(
  context: LowerContext,
  opType: 'Mul' | 'Div',
  tensors: readonly [TensorValue, TensorValue, TensorValue],
  value: Scalar,
): TensorValue {
  const dtype = resultType(tensors);
  if (opType === 'Div' && !isFloating(dtype)) {
    return context.unsupported('addcdiv of integers', 'PyTorch refuses it too: convert the tensors to floats first');
  }
  const [self, a, b] = tensors.map((tensor) => context.cast(tensor, dtype)) as [TensorValue, TensorValue, TensorValue];
  const scaled = value === 1n || value === 1 ? a : binary(context, 'Mul', a, context.scalar(value, dtype));
  return binary(context, 'Add', self, binary(context, opType, scaled, b));
}

defineOp(
  'aten::addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor',
  (context, { self, tensor1, tensor2, value }) => addCombined(context, 'Mul', [self, tensor1, tensor2], value),
);
defineOp(
  'aten::addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor',
  (context, { self, tensor1, tensor2, value }) => addCombined(context, 'Div', [self, tensor1, tensor2], value),
);

/** Linear interpolation: `self` for weight 0, `end` for weight 1. */
function interpolate(context: LowerContext, self: TensorValue, end: TensorValue, weight: Operand): TensorValue {
  const { dtype } = self;
  const span = binary(context, 'Sub', end, self);
  if (typeof weight !== 'object' && Number(weight) >= 0.5) {
    // PyTorch starts from the nearer end too, so the result is exact for a weight of 1.
    return binary(context, 'Sub', end, binary(context, 'Mul', span, context.scalar(1 - Number(weight), dtype)));
  }
  return binary(context, 'Add', self, binary(context, 'Mul', span, operandAs(context, weight, dtype)));
}

defineOp('aten::lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor', (context, { self, end, weight }) =>
  interpolate(context, self, end, weight),
);
defineOp('aten::lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor', (context, { self, end, weight }) =>
  interpolate(context, self, end, weight),
);
