import { broadcastShapes } from './broadcast.ts';
import {
  angleOf,
  isComplex,
  joinParts,
  magnitude,
  mayChange,
  noteShared,
  convertComplex,
  splitParts,
  type ComplexParts,
} from './complex.ts';
import { TensorValue } from '../symbolic/values.ts';
import type { LowerContext } from '../symbolic/lower-context.ts';
import type { LowerResult, OpDefinition } from './define-op.ts';

type Arguments = Readonly<Record<string, unknown>>;
type Lower = (args: Arguments) => LowerResult;

/** Arguments that are numbers of the computation. All others say where the numbers go: indices, sizes, dimensions. */
const DATA = new Set([
  'self',
  'other',
  'tensors',
  'tensor',
  'mat2',
  'batch2',
  'vec',
  'values',
  'value',
  'source',
  'src',
]);

const names = (text: string): ReadonlySet<string> =>
  new Set(
    text
      .trim()
      .split(/\s+/)
      .map((name) => `aten::${name}`),
  );

/**
 * Operators that are linear in all their data together: the real parts of the arguments give the real part of the result, and the imaginary
 * parts its imaginary part. Those that only move numbers are such.
 */
const LINEAR = names(`
  add sub subtract rsub neg negative positive sum mean cumsum diff trace
  cat concat concatenate stack hstack vstack dstack where
  view reshape _unsafe_view _reshape_alias flatten unflatten expand expand_as view_as reshape_as squeeze unsqueeze
  transpose permute movedim moveaxis swapaxes swapdims t mT numpy_T contiguous clone detach alias lift_fresh
  slice select narrow index index_select gather take_along_dim unbind chunk split split_with_sizes tensor_split
  flip fliplr flipud roll rot90 repeat repeat_interleave tile broadcast_to diagonal diag diag_embed tril triu unfold
  masked_fill constant_pad_nd
`);

/** Products, which are linear in each of two arguments. */
const BILINEAR = names('mul multiply matmul mm bmm mv dot inner outer ger kron einsum tensordot');

/** Operators that read a complex tensor themselves, or only its shape. */
const AWARE = names(
  'zeros_like ones_like full_like empty_like new_zeros new_ones new_full abs absolute to type_as is_complex is_floating_point real imag angle conj',
);

/**
 * Lowers a call with complex tensors, by calls with their real and imaginary parts.
 * @returns undefined if the call has no complex tensors, or the operator handles them itself.
 */
export function lowerComplex(context: LowerContext, definition: OpDefinition, args: Arguments): LowerResult {
  const { family, lower, schema, symbolicScalars } = definition;
  if (symbolicScalars || family === 'signal' || AWARE.has(schema.name)) return undefined;
  if (!Object.values(args).some(holdsComplex)) return undefined;
  const call: Lower = (own) => lower(context, own);
  if (LINEAR.has(schema.name)) return linear(context, args, call);
  if (BILINEAR.has(schema.name)) return bilinear(context, args, call);
  const own = SPECIAL[schema.name];
  return own === undefined
    ? context.unsupported(`${schema.name} of complex numbers`, 'compute with the real and imaginary parts')
    : own(context, args, call);
}

function holdsComplex(value: unknown): boolean {
  if (value instanceof TensorValue) return isComplex(value.dtype);
  return Array.isArray(value) && value.some(holdsComplex);
}

const scalarZero = (context: LowerContext, value: unknown): unknown =>
  typeof value === 'number' || typeof value === 'bigint' ? 0n : context.scalar(0, 'float32');

/** The arguments with the real (`re`) or imaginary (`im`) parts of their data. Real data have an imaginary part of 0. */
function partArguments(context: LowerContext, args: Arguments, part: keyof ComplexParts): Arguments {
  const partOf = (value: unknown): unknown => {
    if (value instanceof TensorValue && isComplex(value.dtype)) return splitParts(context, value)[part];
    if (part === 're' || value === null) return value;
    if (!(value instanceof TensorValue)) return scalarZero(context, value);
    return context.expand(context.scalar(0, 'float32'), value.shape);
  };
  const read = ([name, value]: [string, unknown]): [string, unknown] => {
    if (!DATA.has(name)) return [name, value];
    return [name, Array.isArray(value) ? value.map(partOf) : partOf(value)];
  };
  return Object.fromEntries(Object.entries(args).map(read));
}

function linear(context: LowerContext, args: Arguments, call: Lower): LowerResult {
  const re = call(partArguments(context, args, 're'));
  const { self } = args;
  if (self instanceof TensorValue && isComplex(self.dtype)) {
    if (re instanceof TensorValue && re.view !== undefined)
      return viewOf(context, self, (part) => call({ ...args, self: part }));
    // Pieces, and results that are the argument itself, share its elements.
    if (!(re instanceof TensorValue) || re === splitParts(context, self).re) noteShared(self);
  }
  return joinResults(context, re, call(partArguments(context, args, 'im')));
}

/** A view of a complex tensor: a change of it changes both parts of its base. `call` makes the view of one part. */
function viewOf(context: LowerContext, self: TensorValue, call: (part: TensorValue) => LowerResult): TensorValue {
  const view = (part: TensorValue): TensorValue => tensorOf(context, call(part));
  return context.view(
    self,
    (base) => {
      const { re, im } = splitParts(context, base);
      return joinParts(context, { re: view(re), im: view(im) });
    },
    (base, updated) => {
      const [whole, changed] = [splitParts(context, base), splitParts(context, updated)];
      const write = (part: TensorValue, to: TensorValue): TensorValue => {
        const copy = new TensorValue(part.content);
        context.heap.setTensor(view(copy), to.content);
        return copy;
      };
      return joinParts(context, { re: write(whole.re, changed.re), im: write(whole.im, changed.im) });
    },
  );
}

/** The product of two complex tensors, or of one and a real one. */
function bilinear(context: LowerContext, args: Arguments, call: Lower): LowerResult {
  const data = Object.entries(args).flatMap(([name, value]) =>
    Array.isArray(value) && name === 'tensors'
      ? value.map((item, i): [string, number, unknown] => [name, i, item])
      : [[name, -1, value] as [string, number, unknown]],
  );
  const complex = data.filter(([, , value]) => value instanceof TensorValue && isComplex(value.dtype));
  if (complex.length > 2) return context.unsupported('a product of three complex tensors', 'multiply two at a time');
  const withParts = (...parts: readonly (keyof ComplexParts)[]): TensorValue => {
    const given: Record<string, unknown> = { ...args };
    complex.forEach(([name, i, value], which) => {
      const part = splitParts(context, value as TensorValue)[parts[which] ?? 're'];
      if (i < 0) given[name] = part;
      else given[name] = (given[name] as readonly unknown[]).map((item, at) => (at === i ? part : item));
    });
    return call(given) as TensorValue;
  };
  if (complex.length === 1) return joinResults(context, withParts('re'), withParts('im'));
  return joinParts(context, {
    re: combine(context, 'Sub', withParts('re', 're'), withParts('im', 'im')),
    im: combine(context, 'Add', withParts('re', 'im'), withParts('im', 're')),
  });
}

function combine(context: LowerContext, opType: string, a: TensorValue, b: TensorValue): TensorValue {
  return context.node(opType, [a, b], { shape: broadcastShapes(context, a.shape, b.shape) });
}

function joinResults(context: LowerContext, re: LowerResult, im: LowerResult): LowerResult {
  if (re instanceof TensorValue && im instanceof TensorValue) return joinParts(context, { re, im });
  if (!Array.isArray(re) || !Array.isArray(im)) return context.unsupported('this use of complex numbers');
  return re.map((own, i) => joinParts(context, { re: own as TensorValue, im: (im as TensorValue[])[i] ?? own }));
}

type Special = (context: LowerContext, args: Arguments, call: Lower) => LowerResult;

const tensorOf = (context: LowerContext, value: unknown): TensorValue =>
  value instanceof TensorValue ? value : context.unsupported('this use of complex numbers');

/** `a / b`. A real divisor divides both parts; a complex one becomes real by its conjugate. */
const divide: Special = (context, args, call) => {
  const other = args['other'];
  if (!(other instanceof TensorValue) || !isComplex(other.dtype)) {
    const { re, im } = splitParts(context, tensorOf(context, args['self']));
    return joinResults(context, call({ ...args, self: re }), call({ ...args, self: im }));
  }
  const divisor = splitParts(context, other);
  const square = combine(
    context,
    'Add',
    context.node('Mul', [divisor.re, divisor.re]),
    context.node('Mul', [divisor.im, divisor.im]),
  );
  const self = tensorOf(context, args['self']);
  const { re, im } = isComplex(self.dtype)
    ? splitParts(context, self)
    : { re: self, im: context.cast(context.scalar(0, 'float32'), self.dtype) };
  const product = (a: TensorValue, b: TensorValue): TensorValue =>
    combine(context, 'Mul', context.cast(a, square.dtype), b);
  return joinParts(context, {
    re: combine(context, 'Div', combine(context, 'Add', product(re, divisor.re), product(im, divisor.im)), square),
    im: combine(context, 'Div', combine(context, 'Sub', product(im, divisor.re), product(re, divisor.im)), square),
  });
};

const exponential: Special = (context, args) => {
  const { re, im } = splitParts(context, tensorOf(context, args['self']));
  const size = context.node('Exp', [re]);
  const turned = (opType: string): TensorValue => context.node('Mul', [size, context.node(opType, [im])]);
  return joinParts(context, { re: turned('Cos'), im: turned('Sin') });
};

const square: Special = (context, args) => {
  const { re, im } = splitParts(context, tensorOf(context, args['self']));
  const product = context.node('Mul', [re, im]);
  return joinParts(context, {
    re: context.node('Sub', [context.node('Mul', [re, re]), context.node('Mul', [im, im])]),
    im: context.node('Add', [product, product]),
  });
};

const power: Special = (context, args, call) =>
  Number(args['exponent']) === 2
    ? square(context, args, call)
    : context.unsupported('a power of complex numbers other than 2', 'multiply');

const logarithm: Special = (context, args) => {
  const self = tensorOf(context, args['self']);
  return joinParts(context, {
    re: context.node('Log', [magnitude(context, self)]),
    im: angleOf(context, splitParts(context, self)),
  });
};

/** `self[...] = src`. */
const assigned: Special = (context, args) => {
  const [self, src] = [tensorOf(context, args['self']), tensorOf(context, args['src'])];
  if (!isComplex(self.dtype)) return context.unsupported('complex numbers in a real tensor', 'take their real part');
  if (!mayChange(self))
    return context.unsupported('a change of a complex tensor that shares its elements', 'make a new tensor');
  const { re, im } = splitParts(context, convertComplex(context, src, self.dtype));
  const spread = (part: TensorValue): TensorValue => context.expand(part, self.shape);
  context.heap.setTensor(self, joinParts(context, { re: spread(re), im: spread(im) }).content);
  return self;
};

const SPECIAL: Readonly<Record<string, Special | undefined>> = {
  'aten::div': divide,
  'aten::divide': divide,
  'aten::true_divide': divide,
  'aten::exp': exponential,
  'aten::copy_': assigned,
  'aten::log': logarithm,
  'aten::square': square,
  'aten::pow': power,
};
