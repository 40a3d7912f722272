import { isFloating } from '../../symbolic/onnx-types.ts';
import type { LowerContext } from '../../symbolic/lower-context.ts';
import { opFamily, type OpDefinition } from '../define-op.ts';
import { resultType, type Operand } from '../promotion.ts';
import type { TensorValue } from '../../symbolic/values.ts';
import { filled } from './creation/fill.ts';
import { divideBy } from './elementwise/division.ts';

const division = opFamily('historic');
const filling = opFamily('historic');

/** Operators whose meaning changed: what they mean in archives of a version below `before`. They take the place of today's. */
export const HISTORIC: readonly { readonly before: number; readonly ops: readonly OpDefinition[] }[] = [
  { before: 4, ops: division.ops },
  { before: 5, ops: filling.ops },
];

/** Until PyTorch 1.6 integers were divided to integers, rounded towards zero. */
function oldDivide(context: LowerContext, a: Operand, b: Operand): TensorValue {
  return divideBy(context, a, b, isFloating(resultType([a, b])) ? null : 'trunc');
}

division.defineOp('aten::div.Tensor(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  oldDivide(context, self, other),
);
division.defineOp('aten::div.Scalar(Tensor self, Scalar other) -> Tensor', (context, { self, other }) =>
  oldDivide(context, self, other),
);

// Until PyTorch 1.6 a full tensor was of floats, whatever it was filled with.
filling.defineOp(
  'aten::full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { size, fill_value, dtype }) => filled(context, size, fill_value, dtype ?? 'float32'),
);
