import { SconceError } from '@sconce/errors';
import { describe, expect, it } from 'vitest';

import type { SourceText } from '../archive/torchscript-archive.ts';
import type { Expr, SourceFile, Stmt } from './ast.ts';
import { parseSource } from './parser.ts';

function sourceOf(text: string): SourceText {
  return { path: '__torch__.py', text, originAt: () => undefined };
}

const parse = (text: string): SourceFile => parseSource(sourceOf(text));

/** Statements of a function, without their positions. */
function parseBody(body: string): unknown {
  const lines = body
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
  return plain(parse(`def f(x):\n${lines}\n`).functions[0]?.body);
}

function parseExpression(text: string): unknown {
  const [statement] = parseBody(`y = ${text}`) as readonly Extract<Stmt, { kind: 'assign' }>[];
  return statement?.values[0];
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, part]) => (key === 'at' || part === undefined ? [] : [[key, plain(part)]])),
  );
}

const name = (text: string): object => ({ kind: 'name', name: text });
const literal = (value: Extract<Expr, { kind: 'literal' }>['value']): object => ({ kind: 'literal', value });
const attribute = (object: object, attributeName: string): object => ({
  kind: 'attribute',
  object,
  name: attributeName,
});
const type = (typeName: string, ...args: object[]): object => ({ name: typeName, args });
const assign = (target: string, value: object): object => ({
  ...{ kind: 'assign', targets: [name(target)], values: [value], unpack: false },
});

describe('expressions', () => {
  it.each<[text: string, value: Extract<Expr, { kind: 'literal' }>['value']]>([
    ['0', 0n],
    ['-1', -1n],
    ['9223372036854775807', 2n ** 63n - 1n],
    ['-9223372036854775808', -(2n ** 63n)],
    ['1.', 1],
    ['-0.', -0],
    ['.5', 0.5],
    ['1e-08', 1e-8],
    ['9.9999999999999995e-07', 1e-6],
    ['100000000.', 1e8],
    ['inf', Infinity],
    ['-inf', -Infinity],
    ['nan', NaN],
    ['-nan', NaN],
    ['2.j', { re: 0, im: 2 }],
    ['1.+2.j', { re: 1, im: 2 }],
    ['-1.-2.5j', { re: -1, im: -2.5 }],
    ['infj', { re: 0, im: Infinity }],
    ['nan+nanj', { re: NaN, im: NaN }],
    ['True', true],
    ['False', false],
    ['None', null],
    ['"a b"', 'a b'],
    ["'it is'", 'it is'],
    [String.raw`"\n\t\r\a\b\f\v\\\"\'"`, '\n\t\r\x07\b\f\v\\"\''],
    [String.raw`"\0001\x41\177"`, '\x001A\x7f'],
    [String.raw`"\303\237\xe2\x82\xac"`, 'ß€'],
    ['"größer"', 'größer'],
  ])('%s is a literal', (text, value) => {
    expect(parseExpression(text)).toEqual(literal(value));
  });

  it.each<[text: string, expected: object]>([
    ['a', name('a')],
    ['inform', name('inform')],
    ['torch.nn.f', attribute(attribute(name('torch'), 'nn'), 'f')],
    ['(a)', name('a')],
    ['()', { kind: 'tuple', items: [] }],
    ['(a,)', { kind: 'tuple', items: [name('a')] }],
    ['(a, b)', { kind: 'tuple', items: [name('a'), name('b')] }],
    ['[]', { kind: 'list', items: [] }],
    ['[1, 2, ]', { kind: 'list', items: [literal(1n), literal(2n)] }],
    ['{}', { kind: 'dict', entries: [] }],
    ['{"a": b}', { kind: 'dict', entries: [[literal('a'), name('b')]] }],
    ['a[0]', { kind: 'index', object: name('a'), index: literal(0n) }],
    ['(a)[1:2]', { kind: 'slice', object: name('a'), start: literal(1n), end: literal(2n) }],
    ['a[:-1]', { kind: 'slice', object: name('a'), end: literal(-1n) }],
    ['a[::2]', { kind: 'slice', object: name('a'), step: literal(2n) }],
    ['f()', { kind: 'call', callee: name('f'), args: [], kwargs: [] }],
    ['(e).f(x, )', { kind: 'call', callee: attribute(name('e'), 'f'), args: [name('x')], kwargs: [] }],
    [
      'f(x,\n    dtype=6, out=None)',
      {
        kind: 'call',
        callee: name('f'),
        args: [name('x')],
        kwargs: [
          { name: 'dtype', value: literal(6n) },
          { name: 'out', value: literal(null) },
        ],
      },
    ],
    [
      'annotate(List[Optional[Tensor]], [])',
      {
        kind: 'typed',
        form: 'annotate',
        types: [type('List', type('Optional', type('Tensor')))],
        value: { kind: 'list', items: [] },
      },
    ],
    [
      'unchecked_cast(__torch__.a.B, x)',
      { kind: 'typed', form: 'unchecked_cast', types: [type('__torch__.a.B')], value: name('x') },
    ],
    ['uninitialized(Tuple[()])', { kind: 'typed', form: 'uninitialized', types: [type('Tuple')] }],
    ['isinstance(x, int)', { kind: 'typed', form: 'isinstance', types: [type('int')], value: name('x') }],
    [
      'isinstance(x, (int, Dict[str, int]))',
      {
        kind: 'typed',
        form: 'isinstance',
        types: [type('int'), type('Dict', type('str'), type('int'))],
        value: name('x'),
      },
    ],
    ['annotate', name('annotate')],
  ])('%s', (text, expected) => {
    expect(parseExpression(text)).toEqual(expected);
  });
});

describe('statements', () => {
  it.each<[what: string, body: string, expected: object]>([
    ['an assignment', 'a = 1', assign('a', literal(1n))],
    [
      'one with a type',
      'a : Optional[int] = None',
      { ...assign('a', literal(null)), type: type('Optional', type('int')) },
    ],
    ['unpacking one', 'a, = x', { ...assign('a', name('x')), unpack: true }],
    [
      'unpacking two, with and without a comma at the end',
      'a, b, = x',
      { kind: 'assign', targets: [name('a'), name('b')], values: [name('x')], unpack: true },
    ],
    [
      'unpacking without it',
      'a, b = x',
      { kind: 'assign', targets: [name('a'), name('b')], values: [name('x')], unpack: true },
    ],
    [
      'assigning in parallel',
      'a, b = x, y',
      { kind: 'assign', targets: [name('a'), name('b')], values: [name('x'), name('y')], unpack: false },
    ],
    ['a tuple of one', 'a = x,', assign('a', { kind: 'tuple', items: [name('x')] })],
    [
      'an attribute',
      'self.a = x',
      { kind: 'assign', targets: [attribute(name('self'), 'a')], values: [name('x')], unpack: false },
    ],
    ['an expression', 'x', { kind: 'expr', value: name('x') }],
    ['return', 'return x', { kind: 'return', value: name('x') }],
    ['return of several', 'return x, y', { kind: 'return', value: { kind: 'tuple', items: [name('x'), name('y')] } }],
    ['return of nothing', 'return', { kind: 'return' }],
    [
      'if',
      'if x:\n  pass\nelse:\n  a = 1',
      { kind: 'if', test: name('x'), then: [{ kind: 'pass' }], else: [assign('a', literal(1n))] },
    ],
    ['if without else', 'if x:\n  a = 1', { kind: 'if', test: name('x'), then: [assign('a', literal(1n))], else: [] }],
    [
      'for',
      'for i in range(n):\n  a = i',
      { kind: 'for', variable: 'i', count: name('n'), body: [assign('a', name('i'))] },
    ],
    ['while', 'while x:\n  x = y', { kind: 'while', test: name('x'), body: [assign('x', name('y'))] }],
    ['with', 'with x as c:\n  pass', { kind: 'with', context: name('x'), variable: 'c', body: [{ kind: 'pass' }] }],
    [
      'an inner function',
      'def g():\n  return x',
      { kind: 'def', function: { name: 'g', params: [], body: [{ kind: 'return', value: name('x') }] } },
    ],
  ])('%s', (_, body, expected) => {
    expect(parseBody(body)).toEqual([expected]);
  });

  it('ends blocks by the indentation, and skips empty lines and comments', () => {
    const body = 'if a:\n  if b:\n\n    c = 1  # why\n    # only this\n  else:\n    pass\nd = 2';
    expect(parseBody(body)).toMatchObject([
      { kind: 'if', then: [{ kind: 'if', then: [{ kind: 'assign' }], else: [{ kind: 'pass' }] }], else: [] },
      assign('d', literal(2n)),
    ]);
  });

  it('accepts a last line without an end, and line ends of two characters', () => {
    expect(plain(parse('def f(x):\r\n  a = x\r\n  return a').functions[0]?.body)).toMatchObject([
      { kind: 'assign' },
      { kind: 'return' },
    ]);
  });
});

describe('definitions', () => {
  it('reads functions with types and defaults', () => {
    const text = 'def f(x: Tensor,\n    n: Optional[int]=None,\n    p=-0.5) -> Tuple[Tensor, int]:\n  return (x, 1)\n';
    expect(plain(parse(text).functions)).toMatchObject([
      {
        name: 'f',
        params: [
          { name: 'x', type: type('Tensor') },
          { name: 'n', type: type('Optional', type('int')), default: literal(null) },
          { name: 'p', default: literal(-0.5) },
        ],
        returns: type('Tuple', type('Tensor'), type('int')),
      },
    ]);
  });

  it('reads classes: parameters, buffers, attributes, constants, methods', () => {
    const text = `class M(Module):
  __parameters__ = ["weight", "bias", ]
  __buffers__ = []
  __annotations__ = []
  __annotations__["0"] = __torch__.Linear
  __forward_hooks__ = ["h", ]
  weight : Tensor
  rate : Final[float] = 0.5
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    return x
class Plain:
  a : int
class Mode(Enum):
  A = 1
  B = "b"
class Interface(ModuleInterface):
  def forward(self: __torch__.Interface,
    x: Tensor) -> Tensor:
    pass
`;
    expect(plain(parse(text).classes)).toMatchObject([
      {
        name: 'M',
        base: 'Module',
        parameters: ['weight', 'bias'],
        buffers: [],
        attributes: [
          { name: '0', type: type('__torch__.Linear') },
          { name: 'weight', type: type('Tensor') },
          { name: 'rate', type: type('Final', type('float')), value: literal(0.5) },
        ],
        methods: [{ name: 'forward' }],
      },
      { name: 'Plain', attributes: [{ name: 'a' }] },
      { name: 'Mode', base: 'Enum', attributes: [{ name: 'A', value: literal(1n) }, { value: literal('b') }] },
      { name: 'Interface', base: 'ModuleInterface', methods: [{ name: 'forward', body: [] }] },
    ]);
  });

  it('reads an empty file', () => {
    expect(plain(parse(''))).toMatchObject({ classes: [], functions: [] });
  });
});

describe('invalid code', () => {
  const nested = (open: string, close: string): string =>
    `def f(x):\n  a = ${open.repeat(100_000)}x${close.repeat(100_000)}\n`;

  it.each<[what: string, text: string, message: RegExp]>([
    [
      'two expressions',
      'def f(x):\n  y = torch.add(x y)\n',
      /^code\/__torch__\.py:2:18: expected “,”, found “y” in “y = torch\.add\(x y\)”$/,
    ],
    [
      'an integer too large',
      'def f():\n  y = 9223372036854775808\n',
      /^code\/__torch__\.py:2:6: an integer of more than 64 bits/,
    ],
    ['one too small', 'def f():\n  y = -9223372036854775809\n', /more than 64 bits/],
    ['a million digits', `def f():\n  y = ${'9'.repeat(1_000_000)}\n`, /more than 64 bits/],
    ['a string without end', 'def f():\n  y = "abc\n', /2:6: the string has no end/],
    ['an unknown escape', String.raw`def f():${'\n'}  y = "a\q"`, /2:8: the string has an unknown escape/],
    ['an operator', 'def f(x):\n  y = x * 2\n', /2:8: "\*" is not allowed here/],
    ['an addition', 'def f(x):\n  y = x + 2\n', /expected the end of the line, found “\+”/],
    ['no colon', 'def f(x)\n  return x\n', /1:8: expected “:”, found the end of the line/],
    ['no block', 'def f(x):\nclass A:\n', /2:0: expected an indented block, found “class”/],
    ['an indentation that fits nothing', 'def f(x):\n    y = x\n  z = x\n', /3:2: the indentation matches no block/],
    ['an unexpected indentation', 'def f(x):\n  y = x\n    z = x\n', /expected .*, found a deeper indentation/],
    ['a statement outside', 'x = 1\n', /1:0: expected “class” or “def”, found “x”/],
    ['an unknown base', 'class A(B):\n  pass\n', /expected one of Module, .*, found “B”/],
    ['a literal that is assigned to', 'def f():\n  1 = x\n', /2:2: cannot assign to this expression/],
    ['targets and values that do not match', 'def f():\n  a, b, c = x, y\n', /3 targets cannot take 2 values/],
    ['a positional argument after a named one', 'def f():\n  g(a=1, b)\n', /a positional argument follows a named one/],
    ['an end within brackets', 'def f():\n  g(a,', /expected an expression, found/],
    ['the end within a function', 'def f(', /found the end of the line/],
    ['parentheses without end', nested('(', ')'), /^code\/__torch__\.py:2:\d+: code nested more than 256 levels deep/],
    ['lists without end', nested('[', ']'), /nested more than 256 levels/],
    ['calls without end', nested('f(', ')'), /nested more than 256 levels/],
    ['a chain without end', `def f(x):\n  a = x${'.a'.repeat(100_000)}\n`, /nested more than 256 levels/],
    ['types without end', `def f(x: ${'List['.repeat(100_000)}\n`, /nested more than 256 levels/],
    [
      'blocks without end',
      `def f(x):\n${Array.from({ length: 1000 }, (_, i) => `${'  '.repeat(i + 1)}if x:\n`).join('')}`,
      /nested more than 256 levels/,
    ],
    ['a file too long', `#${' '.repeat(2 ** 24)}`, /the file has 16777217 characters, more than/],
  ])('%s', (_, text, message) => {
    let thrown: unknown;
    try {
      parse(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(SconceError);
    expect(thrown).toMatchObject({ code: 'model_invalid', details: { stage: 'parse' } });
    expect((thrown as SconceError).message).toMatch(message);
    expect((thrown as SconceError).message.length).toBeLessThan(400);
  });

  it('quotes the part of a long line that is wrong', () => {
    const text = `def f(x):\n  y = g(${'a, '.repeat(1000)}b c${', d'.repeat(1000)})\n`;
    expect(() => parse(text)).toThrow(/expected “,”, found “c” in “.{10,100}b c.{10,100}”$/);
  });
});
