import type { Constant } from '../constant.ts';
import type { Node } from '../graph.ts';

type Numeric = bigint | number | boolean;

/** Largest number of characters of a computed string. */
const MAX_TEXT_CHARS = 10_000;

const COMPARISONS: Readonly<Record<string, (a: Numeric | string, b: Numeric | string) => boolean>> = {
  'aten::eq': isEqual,
  'aten::ne': (a, b) => !isEqual(a, b),
  'aten::lt': (a, b) => a < b,
  'aten::le': (a, b) => a <= b,
  'aten::gt': (a, b) => a > b,
  'aten::ge': (a, b) => a >= b,
};

const INTEGER_ARITHMETIC: Readonly<Record<string, (a: bigint, b: bigint) => bigint | undefined>> = {
  'aten::add': (a, b) => a + b,
  'aten::sub': (a, b) => a - b,
  'aten::mul': (a, b) => a * b,
  'aten::floordiv': (a, b) => (b === 0n ? undefined : (a - modulo(a, b)) / b),
  'aten::remainder': (a, b) => (b === 0n ? undefined : modulo(a, b)),
  'prim::min': (a, b) => (b < a ? b : a),
  'prim::max': (a, b) => (b > a ? b : a),
};

const FLOAT_ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number | undefined>> = {
  'aten::add': (a, b) => a + b,
  'aten::sub': (a, b) => a - b,
  'aten::mul': (a, b) => a * b,
  'aten::div': (a, b) => (b === 0 ? undefined : a / b),
  'aten::floordiv': (a, b) => (b === 0 ? undefined : Math.floor(a / b)),
  'prim::min': (a, b) => Math.min(a, b),
  'prim::max': (a, b) => Math.max(a, b),
};

const UNARY: Readonly<Record<string, (a: Numeric) => Constant | undefined>> = {
  'aten::neg': (a) => (typeof a === 'boolean' ? undefined : -a),
  'aten::__not__': (a) => !a,
  'aten::Bool': Boolean,
  'aten::Float': Number,
  'aten::Int': (a) => (Number.isFinite(Number(a)) ? BigInt(typeof a === 'number' ? Math.trunc(a) : a) : undefined),
  'aten::sqrt': (a) => Math.sqrt(Number(a)),
  'aten::floor': (a) => (Number.isFinite(Number(a)) ? BigInt(Math.floor(Number(a))) : undefined),
  'aten::ceil': (a) => (Number.isFinite(Number(a)) ? BigInt(Math.ceil(Number(a))) : undefined),
};

/** The results of an operation on constants; undefined if it is not computed at this stage, or would fail. */
export function evaluate(node: Node, inputs: readonly Constant[]): readonly Constant[] | undefined {
  const [a = null, b = null] = inputs;
  switch (node.kind) {
    case 'prim::TupleConstruct':
      return [{ kind: 'tuple', items: inputs }];
    case 'prim::TupleUnpack':
      return isTuple(a) ? a.items : undefined;
    case 'prim::TupleIndex': {
      const item = isTuple(a) && typeof b === 'bigint' ? a.items.at(Number(b)) : undefined;
      return item === undefined ? undefined : [item];
    }
    case 'prim::unchecked_cast':
      return [a];
    case 'aten::__is__':
    case 'aten::__isnot__':
      return [(a === b) === (node.kind === 'aten::__is__')];
    case 'aten::__and__':
    case 'aten::__or__':
      if (typeof a !== 'boolean' || typeof b !== 'boolean') return undefined;
      return [node.kind === 'aten::__and__' ? a && b : a || b];
    case 'aten::device':
      return typeof a === 'string' ? [{ kind: 'device', device: a }] : undefined;
    default:
  }
  const result = inputs.length === 1 ? evaluateUnary(node.kind, a) : evaluateBinary(node.kind, a, b);
  return result === undefined ? undefined : [result];
}

function evaluateUnary(kind: string, a: Constant): Constant | undefined {
  if (kind === 'aten::len') return typeof a === 'string' ? BigInt(a.length) : undefined;
  const result = isNumeric(a) && Object.hasOwn(UNARY, kind) ? UNARY[kind]?.(a) : undefined;
  return typeof result === 'bigint' && result !== BigInt.asIntN(64, result) ? undefined : result;
}

function evaluateBinary(kind: string, a: Constant, b: Constant): Constant | undefined {
  if (isEnumMember(a) && isEnumMember(b)) {
    return kind === 'aten::eq' || kind === 'aten::ne' ? (a.text === b.text) === (kind === 'aten::eq') : undefined;
  }
  const comparable = (isNumeric(a) && isNumeric(b)) || (typeof a === 'string' && typeof b === 'string');
  if (!comparable) return undefined;
  const compare = COMPARISONS[kind];
  if (compare !== undefined) return compare(a, b);
  if (typeof a === 'string' || typeof b === 'string')
    return kind === 'aten::add' ? join(String(a), String(b)) : undefined;
  if (typeof a === 'bigint' && typeof b === 'bigint' && kind !== 'aten::div') {
    const result = INTEGER_ARITHMETIC[kind]?.(a, b);
    return result === undefined ? undefined : BigInt.asIntN(64, result);
  }
  return typeof a === 'boolean' || typeof b === 'boolean' ? undefined : FLOAT_ARITHMETIC[kind]?.(Number(a), Number(b));
}

function isNumeric(value: Constant): value is Numeric {
  return typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean';
}

function isEnumMember(value: Constant): value is Extract<Constant, { readonly kind: 'object' }> {
  if (typeof value !== 'object' || value?.kind !== 'object') return false;
  return value.type.kind === 'class' && value.type.form === 'enum';
}

function isTuple(value: Constant): value is Extract<Constant, { readonly kind: 'tuple' }> {
  return typeof value === 'object' && value !== null && value.kind === 'tuple';
}

/** Joins two strings; undefined if the result is too long, because each line of code can double a string. */
function join(a: string, b: string): string | undefined {
  return a.length + b.length > MAX_TEXT_CHARS ? undefined : a + b;
}

function isEqual(a: Numeric | string, b: Numeric | string): boolean {
  return typeof a === typeof b ? a === b : Number(a) === Number(b);
}

/** Python's remainder, which has the sign of the divisor. */
function modulo(a: bigint, b: bigint): bigint {
  const rest = a % b;
  return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
}
