import { SconceError } from '@sconce/errors';
import { describe, expect, it } from 'vitest';

import { OPERATOR_SCHEMAS } from '../graph-ir/operator-schemas.generated.ts';
import { parseSchema, type SchemaType } from './parse-schema.ts';

const name = (text: string): SchemaType => ({ kind: 'name', name: text });
const optional = (of: SchemaType): SchemaType => ({ kind: 'optional', of });
const list = (of: SchemaType, size?: number): SchemaType => ({
  kind: 'list',
  of,
  size,
});

describe('parseSchema', () => {
  it('reads name, overload, arguments and results', () => {
    const text = 'aten::add_.Tensor(Tensor(a!) self, Tensor other, *, Scalar alpha=1) -> Tensor(a!)';
    expect(parseSchema(text)).toEqual({
      name: 'aten::add_',
      overload: 'Tensor',
      args: [
        { name: 'self', type: name('Tensor'), default: undefined, kwargOnly: false, mutated: true },
        { name: 'other', type: name('Tensor'), default: undefined, kwargOnly: false, mutated: false },
        { name: 'alpha', type: name('Scalar'), default: '1', kwargOnly: true, mutated: false },
      ],
      variadic: false,
      returns: [name('Tensor')],
      text,
    });
  });

  it.each<[type: string, expected: SchemaType]>([
    ['int[2]', list(name('int'), 2)],
    ['Tensor?[]', list(optional(name('Tensor')))],
    ['int[1]?', optional(list(name('int'), 1))],
    ['Tensor(a)?', optional(name('Tensor'))],
    ['Tensor(a -> *)[]', list(name('Tensor'))],
    ['Tensor(a|b)', name('Tensor')],
    ['Dict(str, t)(a!)', { kind: 'generic', name: 'Dict', args: [name('str'), name('t')] }],
    ['(int, t[])[]', list({ kind: 'tuple', items: [name('int'), list(name('t'))] })],
    [
      '__torch__.torch.classes.quantized.LinearPackedParamsBase',
      name('__torch__.torch.classes.quantized.LinearPackedParamsBase'),
    ],
  ])('reads the type %s', (type, expected) => {
    expect(parseSchema(`aten::f(${type} x) -> (${type})`)).toMatchObject({
      args: [{ type: expected }],
      returns: [expected],
    });
  });

  it.each([
    ['int[2] x=[0, 1]', '[0, 1]'],
    ['int? x=None', 'None'],
    ['float x=-1e-05', '-1e-05'],
    ['str x="mean"', '"mean"'],
    [String.raw`str x=" \n\"\\"`, String.raw`" \n\"\\"`],
    ["str x='a, b'", "'a, b'"],
    ['MemoryFormat x=contiguous_format', 'contiguous_format'],
  ])('reads the default of %s', (argument, expected) => {
    expect(parseSchema(`aten::f(${argument}, int y) -> ()`).args.map((arg) => arg.default)).toEqual([
      expected,
      undefined,
    ]);
  });

  it.each([
    ['aten::f() -> ()', 0, false],
    ['aten::max.dim(Tensor self, int dim) -> (Tensor values, Tensor indices)', 2, false],
    ['aten::format(str self, ...) -> str', 1, true],
    ['prim::Print(...) -> ()', 0, true],
    ['prim::FusedConcat(...) -> ...', 1, true],
  ])('reads results and dots of %s', (text, results, variadic) => {
    expect(parseSchema(text)).toMatchObject({ variadic, returns: { length: results } });
  });

  it.each(['', 'aten::f', 'aten::f(', 'aten::f(Tensor) -> Tensor', 'aten::f(Tensor x', 'aten::f(Tensor x) Tensor'])(
    'refuses %j',
    (text) => {
      expect(() => parseSchema(text)).toThrow(SconceError);
    },
  );

  it('reads every schema of PyTorch', () => {
    const texts = OPERATOR_SCHEMAS.split('\n');
    const schemas = texts.map(parseSchema);
    expect(schemas.length).toBeGreaterThan(4000);
    expect(new Set(schemas.map((schema) => `${schema.name}.${schema.overload}`)).size).toBe(schemas.length);
    for (const [i, schema] of schemas.entries()) {
      const written = schema.overload === '' ? schema.name : `${schema.name}.${schema.overload}`;
      expect(texts[i]?.startsWith(`${written}(`)).toBe(true);
    }
  });
});
