import type { LowerContext } from '../../symbolic/lower-context.ts';
import type { TensorValue } from '../../symbolic/values.ts';
import { opFamily } from '../define-op.ts';

const { ops, defineOp } = opFamily('activation');

/** Dropout. It does nothing outside of training. */
export const dropouts = ops;

const LIMITS = { limits: 'training mode is refused' };

/** The input itself. Training mode with a probability of zero is accepted, because it drops nothing. */
function withoutDropout(context: LowerContext, input: TensorValue, p: number, train: boolean): TensorValue {
  return train && p > 0 ? context.unsupported('dropout in training mode', 'call model.eval() before saving') : input;
}

for (const name of ['dropout', 'feature_dropout', 'alpha_dropout', 'feature_alpha_dropout'] as const) {
  defineOp(
    `aten::${name}(Tensor input, float p, bool train) -> Tensor`,
    (context, { input, p, train }) => withoutDropout(context, input, p, train),
    LIMITS,
  );
}
defineOp(
  'aten::native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)',
  (context, { input, p, train }) => [
    withoutDropout(context, input, p, train ?? true),
    context.expand(context.scalar(true, 'bool'), input.content.shape),
  ],
  LIMITS,
);
