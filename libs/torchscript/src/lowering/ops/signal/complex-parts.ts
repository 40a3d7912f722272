import { asFloat } from '../../promotion.ts';
import { broadcastShapes } from '../../broadcast.ts';
import {
  angleOf,
  noteShared,
  type ComplexParts,
  complexOf,
  isComplex,
  joinParts,
  partsOf,
  splitParts,
} from '../../complex.ts';
import { opFamily } from '../../define-op.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';

const { ops, defineOp } = opFamily('signal');

/** Operators that make complex numbers from their parts or return the parts. */
export const complexParts = ops;

defineOp('aten::view_as_real(Tensor self) -> Tensor', (context, { self }) => {
  noteShared(self);
  return partsOf(context, self);
});
defineOp('aten::view_as_complex(Tensor self) -> Tensor', (context, { self }) => complexOf(context, self));
defineOp('aten::complex(Tensor real, Tensor imag) -> Tensor', (context, { real, imag }) =>
  joinParts(context, { re: real, im: imag }),
);
defineOp('aten::polar(Tensor abs, Tensor angle) -> Tensor', (context, { abs, angle }) => {
  const shape = broadcastShapes(context, abs.shape, angle.shape);
  const turned = (opType: string): TensorValue => context.node('Mul', [abs, context.node(opType, [angle])], { shape });
  return joinParts(context, { re: turned('Cos'), im: turned('Sin') });
});

defineOp('aten::real(Tensor self) -> Tensor', (context, { self }) =>
  isComplex(self.dtype) ? sharedParts(context, self).re : self,
);
defineOp('aten::imag(Tensor self) -> Tensor', (context, { self }) => sharedParts(context, self).im);

function sharedParts(context: LowerContext, self: TensorValue): ComplexParts {
  noteShared(self);
  return splitParts(context, self);
}

defineOp('aten::angle(Tensor self) -> Tensor', (context, { self }) => {
  if (isComplex(self.dtype)) return angleOf(context, splitParts(context, self));
  const re = asFloat(context, self);
  return angleOf(context, { re, im: context.scalar(0, re.dtype) });
});

for (const name of ['conj', '_conj', '_conj_physical', 'conj_physical'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => {
    if (!isComplex(self.dtype)) return self;
    const { re, im } = sharedParts(context, self);
    return joinParts(context, { re, im: context.node('Neg', [im]) });
  });
}
