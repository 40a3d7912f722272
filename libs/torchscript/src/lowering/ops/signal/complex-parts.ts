import { int } from '../../attributes.ts';
import { complexOf, isComplex, partsOf } from '../../complex.ts';
import { opFamily } from '../../define-op.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';

const { ops, defineOp } = opFamily('signal');

/** Operators that make complex numbers from their parts or return the parts. */
export const complexParts = ops;

defineOp('aten::view_as_real(Tensor self) -> Tensor', (context, { self }) => partsOf(context, self));
defineOp('aten::view_as_complex(Tensor self) -> Tensor', (context, { self }) => complexOf(context, self));
defineOp('aten::complex(Tensor real, Tensor imag) -> Tensor', (context, { real, imag }) => {
  const parts = [real, imag].map((part) => context.reshape(part, [...part.shape, 1]));
  const shape = [...real.shape, 2];
  return complexOf(context, context.node('Concat', parts, { shape, attributes: { axis: int(-1) } }));
});

/** The real (0) or imaginary (1) part. */
const part = (context: LowerContext, self: TensorValue, which: number): TensorValue =>
  context.node('Gather', [partsOf(context, self), context.scalar(BigInt(which), 'int64')], {
    shape: self.shape,
    attributes: { axis: int(-1) },
  });
defineOp('aten::real(Tensor self) -> Tensor', (context, { self }) =>
  isComplex(self.dtype) ? part(context, self, 0) : self,
);
defineOp('aten::imag(Tensor self) -> Tensor', (context, { self }) => part(context, self, 1));
