import { isFloating } from '../../symbolic/onnx-types.ts';
import type { LowerContext } from '../../symbolic/lower-context.ts';
import { opFamily, type OpDefinition } from '../define-op.ts';
import { resultType, type Operand } from '../promotion.ts';
import type { TensorValue } from '../../symbolic/values.ts';
import { filled } from './creation/fill.ts';
import { divideBy } from './elementwise/division.ts';

const division = opFamily('historic');
const filling = opFamily('historic');

/**
 * Operators that older PyTorch versions computed in another way. In archives with a version below `before` these
 * definitions replace the current ones.
 */
export const HISTORIC: readonly { readonly before: number; readonly ops: readonly OpDefinition[] }[] = [
  { before: 4, ops: division.ops },
  { before: 5, ops: filling.ops },
];

/** Until PyTorch 1.6 the quotient of integers was an integer, rounded towards zero. */
function oldDivide(context: LowerContext, a: Operand, b: Operand): TensorValue {
  return divideBy(context, a, b, isFloating(resultType([a, b])) ? null : 'trunc');
}

division.defineOp('aten::div.Tensor(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  oldDivide(context, self, other),
);
division.defineOp('aten::div.Scalar(Tensor self, Scalar other) -> Tensor', (context, { self, other }) =>
  oldDivide(context, self, other),
);

// Until PyTorch 1.6 full() returned float32, whatever the fill value was.
filling.defineOp(
  'aten::full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { size, fill_value, dtype }) => filled(context, size, fill_value, dtype ?? 'float32'),
);
