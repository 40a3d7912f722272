import type { OnnxAttribute } from '@sconce/onnx';

import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { subDims, type Dim } from '../../../symbolic/sym-int.ts';
import { asScalar } from '../../../symbolic/scalar-elements.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { float } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';

const { ops, defineOp } = opFamily('creation');

/** Random numbers. ONNX Runtime draws them, so they differ from PyTorch's numbers. */
export const random = ops;

const LIMITS = 'ONNX Runtime draws the numbers: they differ from PyTorch’s, also with the same seed';

/** Draws numbers from the standard normal distribution, or uniform numbers in [0, 1). */
function draw(context: LowerContext, kind: 'Normal' | 'Uniform', size: readonly Dim[], dtype: ScalarType): TensorValue {
  context.warn('the model draws random numbers: its results differ from those of PyTorch, also with the same seed');
  const like = context.expand(
    context.reshape(
      context.scalar(0, 'float32'),
      size.map(() => 1),
    ),
    size,
  );
  const attributes: Record<string, OnnxAttribute> =
    kind === 'Normal' ? { mean: float(0), scale: float(1) } : { low: float(0), high: float(1) };
  return context.cast(context.node(`Random${kind}Like`, [like], { attributes }), dtype);
}

defineOp(
  'aten::randn(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { size, dtype }) => draw(context, 'Normal', size, dtype ?? 'float32'),
  { limits: LIMITS },
);
defineOp(
  'aten::randn_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor',
  (context, { self, dtype }) => draw(context, 'Normal', self.shape, dtype ?? self.dtype),
  { limits: LIMITS },
);
defineOp(
  'aten::rand(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { size, dtype }) => draw(context, 'Uniform', size, dtype ?? 'float32'),
  { limits: LIMITS },
);
defineOp(
  'aten::rand_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor',
  (context, { self, dtype }) => draw(context, 'Uniform', self.shape, dtype ?? self.dtype),
  { limits: LIMITS },
);
defineOp(
  'aten::bernoulli(Tensor self, *, Generator? generator=None) -> Tensor',
  (context, { self }) => {
    const drawn = draw(context, 'Uniform', self.shape, self.dtype);
    return context.cast(context.node('Less', [drawn, self], { dtype: 'bool' }), self.dtype);
  },
  { limits: LIMITS },
);

defineOp(
  'aten::randint(SymInt high, SymInt[] size, *, ScalarType? dtype=long, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { high, size, dtype }) => drawIntegers(context, 0, high, size, dtype ?? 'int64'),
  { limits: LIMITS },
);
defineOp(
  'aten::randint.low(SymInt low, SymInt high, SymInt[] size, *, ScalarType? dtype=long, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor',
  (context, { low, high, size, dtype }) => drawIntegers(context, low, high, size, dtype ?? 'int64'),
  { limits: LIMITS },
);

/** Draws integers from `low` (included) to `high` (excluded). */
function drawIntegers(
  context: LowerContext,
  low: Dim,
  high: Dim,
  size: readonly Dim[],
  dtype: ScalarType,
): TensorValue {
  const span = context.cast(context.scalar(asScalar(subDims(high, low)), 'int64'), 'float32');
  const wide = context.node('Mul', [draw(context, 'Uniform', size, 'float32'), span]);
  const whole = context.cast(context.node('Floor', [wide]), 'int64');
  return context.cast(context.node('Add', [whole, context.scalar(asScalar(low), 'int64')]), dtype);
}
