import type { LowerContext } from '../../symbolic/lower-context.ts';
import type { TensorValue } from '../../symbolic/values.ts';
import { opFamily } from '../define-op.ts';

const { ops, defineOp } = opFamily('activation');

/** Dropout, which does nothing where models are only used. */
export const dropouts = ops;

const LIMITS = { limits: 'training mode' };

/** The input itself. Some models ask for training mode with a probability of zero, which drops nothing either. */
function undropped(context: LowerContext, input: TensorValue, p: number, train: boolean): TensorValue {
  return train && p > 0 ? context.unsupported('dropout in training mode', 'call model.eval() before saving') : input;
}

for (const name of ['dropout', 'feature_dropout', 'alpha_dropout', 'feature_alpha_dropout'] as const) {
  defineOp(
    `aten::${name}(Tensor input, float p, bool train) -> Tensor`,
    (context, { input, p, train }) => undropped(context, input, p, train),
    LIMITS,
  );
}
defineOp(
  'aten::native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)',
  (context, { input, p, train }) => [
    undropped(context, input, p, train ?? true),
    context.expand(context.scalar(true, 'bool'), input.content.shape),
  ],
  LIMITS,
);
