import { describe, expect, it } from 'vitest';
import type { TensorSpec } from '@sconce/tensor';
import { mapInputs, type InputSource } from './input-mapping.ts';

const x = (shape: readonly number[]): TensorSpec => ({ name: 'x', datatype: 'FP32', shape });
const file = (...names: string[]): { columns: { name: string }[]; closed: boolean } => ({
  columns: names.map((name) => ({ name })),
  closed: true,
});

function map(input: TensorSpec, columns: readonly string[], source?: InputSource): unknown {
  const model = { inputs: [input], rowInputs: new Set(['x']) };
  const [mapped] = mapInputs(file(...columns), model, source === undefined ? {} : { x: source });
  return mapped;
}

describe('columns of an input', () => {
  it.each<[string, TensorSpec, string[], InputSource | undefined, object]>([
    [
      'the column of its name',
      x([-1, 3]),
      ['id', 'x'],
      undefined,
      { source: { kind: 'list', column: 'x' }, rowShape: [3] },
    ],
    [
      'numbered from 0',
      x([-1, 2]),
      ['x_1', 'x_0'],
      undefined,
      { source: { kind: 'scalars', columns: ['x_0', 'x_1'] } },
    ],
    [
      'numbered from 1',
      x([-1, 2]),
      ['x1', 'x2', 'x3'],
      undefined,
      { source: { kind: 'scalars', columns: ['x1', 'x2'] } },
    ],
    [
      'the only column, whatever its name',
      x([-1, 2]),
      ['data'],
      undefined,
      { source: { kind: 'list', column: 'data' } },
    ],
    ['all numbered columns of a free axis', x([-1, -1]), ['x.0', 'x.1', 'x.2'], undefined, { rowShape: [3] }],
    [
      'a pattern, in the file’s order',
      x([-1, 3]),
      ['p1', 'id', 'p0', 'q', 'p9'],
      'p*',
      { source: { kind: 'scalars', columns: ['p1', 'p0', 'p9'] } },
    ],
    [
      'a pattern with characters of regular expressions',
      x([-1, 1]),
      ['a(b)', 'ab'],
      'a(*)',
      { source: { kind: 'list', column: 'a(b)' } },
    ],
    [
      'columns in order',
      x([-1, 2, 2]),
      ['a', 'b', 'c', 'd'],
      ['d', 'a', 'b', 'c'],
      { source: { kind: 'scalars', columns: ['d', 'a', 'b', 'c'] }, rowShape: [2, 2] },
    ],
    ['columns that give the size of a free axis', x([-1, -1, 2]), ['a', 'b', 'c', 'd'], '*', { rowShape: [2, 2] }],
    ['a value', x([-1, 2]), [], { value: [1, 2] }, { source: { kind: 'constant', value: [1, 2] } }],
  ])('%s', (_, input, columns, source, expected) => {
    expect(map(input, columns, source)).toMatchObject(expected);
  });

  it.each<[string, TensorSpec, string[], InputSource | undefined, RegExp]>([
    [
      'no column with its name',
      x([-1, 2]),
      ['a', 'b'],
      undefined,
      /No column has the name of the model's input "x".*the file has "a", "b"/,
    ],
    ['a missing column', x([-1, 2]), ['a'], ['a', 'b'], /There is no column "b"/],
    ['a pattern without a match', x([-1, 2]), ['a'], 'q*', /No column matches "q\*"/],
    ['too many columns', x([-1, 2]), ['a', 'b', 'c'], '*', /needs 2 values a row; the file has 3 columns/],
    [
      'columns that are not a multiple',
      x([-1, -1, 2]),
      ['a', 'b', 'c'],
      '*',
      /rows of shape \[-1,2\]; the file has 3 columns/,
    ],
  ])('refuses %s', (_, input, columns, source, message) => {
    expect(() => map(input, columns, source)).toThrow(
      expect.objectContaining({ code: 'invalid_dataset', message: expect.stringMatching(message) }),
    );
  });
});

it.each<[string, InputSource | undefined]>([
  ['its name', undefined],
  ['a selection', 'x'],
  ['a list', ['x', 'y']],
  ['a pattern', '*'],
])('refuses a column that cannot be read, found by %s', (_, source) => {
  const columns = [{ name: 'x', unreadable: 'Column "x" has a type that is not supported' }, { name: 'y' }];
  const model = { inputs: [x([-1, 2])], rowInputs: new Set(['x']) };
  expect(() => mapInputs({ columns, closed: true }, model, source === undefined ? {} : { x: source })).toThrow(
    expect.objectContaining({
      code: 'invalid_dataset',
      message: columns[0]?.unreadable,
      details: { param: 'inputs.x' },
    }),
  );
});

it('maps a hundred thousand columns by name in a moment', () => {
  const names = Array.from({ length: 100_000 }, (_, index) => `column${index}`);
  const before = process.cpuUsage().user;
  expect(map(x([-1, names.length]), names, names.toReversed())).toMatchObject({ rowShape: [names.length] });
  expect((process.cpuUsage().user - before) / 1_000).toBeLessThan(2_000);
});
