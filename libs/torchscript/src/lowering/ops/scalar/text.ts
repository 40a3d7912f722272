import { type ListValue, isTuple, type Value } from '../../../symbolic/values.ts';
import { formatted, percentFormatted, textOf, UNKNOWN_TEXT } from '../../python-text.ts';
import { defaultSlice } from './list-indices.ts';
import { scalarFamily } from './scalar-family.ts';

const { ops, defineScalarOp, defineTolerantOp } = scalarFamily();

/** Operators on strings. */
export const text = ops;

defineScalarOp('aten::add.str(str a, str b) -> str', (_, { a, b }) => (a as string) + (b as string));
defineScalarOp('aten::len.str(str s) -> int', (context, { s }) => {
  if ((s as string).includes(UNKNOWN_TEXT))
    context.warn('the length of a string that contains a number known only at run time differs from PyTorch’s');
  return BigInt([...(s as string)].length);
});
defineScalarOp('aten::ord(str string) -> int', (_, { string }) => BigInt((string as string).codePointAt(0) ?? 0));
defineScalarOp('aten::chr(int i) -> str', (_, { i }) => String.fromCodePoint(Number(i)));
defineScalarOp('aten::__getitem__.str(str s, int index) -> str', (context, { s, index }) => {
  const at = Number(index);
  return (
    [...(s as string)].at(at) ?? context.unsupported(`character ${at} of “${s as string}”`, 'PyTorch fails here too')
  );
});
defineScalarOp(
  'aten::slice.str(str string, int? start=None, int? end=None, int step=1) -> str',
  (context, { string, start, end, step }) => {
    const characters = [...(string as string)];
    return defaultSlice(context, characters.length, { start, end, step })
      .map((i) => characters[i])
      .join('');
  },
);
defineScalarOp('aten::__contains__.str_in_str(str a, str b) -> bool', (_, { a, b }) =>
  (a as string).includes(b as string),
);

/** Methods of strings without arguments. */
const METHODS: Readonly<Record<string, (text: string) => string | boolean>> = {
  upper: (s) => s.toUpperCase(),
  lower: (s) => s.toLowerCase(),
  capitalize: (s) => s.slice(0, 1).toUpperCase() + s.slice(1).toLowerCase(),
  title: (s) =>
    s
      .toLowerCase()
      .replaceAll(/(^|[^a-z])([a-z])/g, (_, before: string, letter: string) => before + letter.toUpperCase()),
  swapcase: (s) => s.replaceAll(/[a-zA-Z]/g, (c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())),
  isdigit: (s) => /^\d+$/.test(s),
  isnumeric: (s) => /^\d+$/.test(s),
  isdecimal: (s) => /^\d+$/.test(s),
  isalpha: (s) => /^[a-zA-Z]+$/.test(s),
  isalnum: (s) => /^[a-zA-Z\d]+$/.test(s),
  isspace: (s) => /^\s+$/.test(s),
  isupper: (s) => /[A-Z]/.test(s) && s === s.toUpperCase(),
  islower: (s) => /[a-z]/.test(s) && s === s.toLowerCase(),
  isidentifier: (s) => /^[a-zA-Z_]\w*$/.test(s),
};
for (const [name, compute] of Object.entries(METHODS)) {
  const result = name.startsWith('is') ? 'bool' : 'str';
  defineScalarOp(`aten::${name}(str self) -> ${result}`, (_, { self }) => compute(self as string));
}
const charactersOf = (chars: Value | undefined): ReadonlySet<string> =>
  chars === null || chars === undefined ? new Set(' \n\t\f\v\r') : new Set(chars as string);
for (const [name, left, right] of [
  ['strip', true, true],
  ['lstrip', true, false],
  ['rstrip', false, true],
] as const) {
  defineScalarOp(`aten::${name}(str self, str? chars=None) -> str`, (_, { self, chars }) => {
    const [unwanted, all] = [charactersOf(chars), [...(self as string)]];
    while (left && all.length > 0 && unwanted.has(all[0] ?? '')) all.shift();
    while (right && unwanted.has(all.at(-1) ?? '')) all.pop();
    return all.join('');
  });
}

/** The part of a string that a method searches. An `end` of -1 means the end of the string. */
function searchedPart(self: Value | undefined, start: Value | undefined, end: Value | undefined): string {
  const whole = self as string;
  const stop = end === -1n ? whole.length : Number(end);
  return whole.slice(Number(start), stop);
}
const FROM_TO = 'int start=0, int end=-1';
defineScalarOp(`aten::startswith(str self, str substr, ${FROM_TO}) -> bool`, (_, { self, substr, start, end }) =>
  searchedPart(self, start, end).startsWith(substr as string),
);
defineScalarOp(`aten::endswith(str self, str substr, ${FROM_TO}) -> bool`, (_, { self, substr, start, end }) =>
  searchedPart(self, start, end).endsWith(substr as string),
);
defineScalarOp(`aten::count(str self, str substr, ${FROM_TO}) -> int`, (_, { self, substr, start, end }) =>
  BigInt(searchedPart(self, start, end).split(substr as string).length - 1),
);
for (const [name, last, must] of [
  ['find', false, false],
  ['rfind', true, false],
  ['index.str', false, true],
  ['rindex', true, true],
] as const) {
  defineScalarOp(`aten::${name}(str self, str substr, ${FROM_TO}) -> int`, (context, { self, substr, start, end }) => {
    const part = searchedPart(self, start, end);
    const at = last ? part.lastIndexOf(substr as string) : part.indexOf(substr as string);
    if (at < 0 && must)
      return context.unsupported('index() of a substring that is not there', 'PyTorch fails here too');
    return BigInt(at < 0 ? -1 : at + Number(start));
  });
}
defineScalarOp('aten::replace(str self, str old, str new, int max=-1) -> str', (_, args) => {
  const pieces = (args['self'] as string).split(args['old'] as string);
  const many = args['max'] as bigint;
  const kept = many < 0n ? pieces.length - 1 : Math.min(Number(many), pieces.length - 1);
  const head = pieces.slice(0, kept + 1).join(args['new'] as string);
  return [head, ...pieces.slice(kept + 1)].join(args['old'] as string);
});
defineScalarOp('aten::join(str self, str[] values) -> str', (_, { self, values }) =>
  ((values as ListValue).items as readonly string[]).join(self as string),
);
defineScalarOp('aten::split.str(str self, str? separator=None, int max=-1) -> str[]', (_, { self, separator, max }) => {
  const whole = separator === null ? (self as string).trim() : (self as string);
  const pieces =
    whole === '' && separator === null ? [] : whole.split(separator === null ? /\s+/ : (separator as string));
  const most = max === -1n ? pieces.length : Number(max);
  if (most >= pieces.length - 1 || separator === null) return pieces;
  return [...pieces.slice(0, most), pieces.slice(most).join(separator as string)];
});
defineScalarOp('aten::splitlines(str self, bool keepends=False) -> str[]', (_, { self }) =>
  (self as string).replace(/\r?\n$/, '').split(/\r?\n/),
);
for (const name of ['ljust', 'rjust', 'center'] as const) {
  defineScalarOp(`aten::${name}(str self, int width, str fillchar=" ") -> str`, (_, { self, width, fillchar }) => {
    const [whole, wanted, fill] = [self as string, Number(width), fillchar as string];
    if (name === 'ljust') return whole.padEnd(wanted, fill);
    if (name === 'rjust') return whole.padStart(wanted, fill);
    const left = Math.floor(Math.max(0, wanted - whole.length) / 2);
    return whole.padStart(whole.length + left, fill).padEnd(wanted, fill);
  });
}
defineScalarOp('aten::zfill(str self, int width) -> str', (_, { self, width }) =>
  (self as string).padStart(Number(width), '0'),
);

// ---- conversions to strings. They accept results of unsupported operators, because those often occur in messages ----------

const restOf = (args: Readonly<Record<string, Value>>): readonly Value[] => (args['...'] as ListValue).items;
defineTolerantOp('aten::str(t elem) -> str', (_, { elem }) => textOf(elem ?? null));
defineTolerantOp('aten::format(str self, ...) -> str', (_, args) => formatted(args['self'] as string, restOf(args)));
defineTolerantOp('aten::percentFormat(str self, ...) -> str', (_, args) => {
  const [first, ...rest] = restOf(args);
  return percentFormatted(args['self'] as string, isTuple(first) && rest.length === 0 ? first.items : restOf(args));
});
defineTolerantOp('prim::Print(...) -> ()', () => undefined);
