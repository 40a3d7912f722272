import { describe, expect, it } from 'vitest';
import { UsageError } from '../output/failure.ts';
import { collect } from '../output/options.ts';
import { parseArgument, parseInput, type FixedArgument } from './input-options.ts';

describe('--input', () => {
  it.each([
    ['x:float32[-1,3,224,224]', 'x', 'float32', [null, 3, 224, 224]],
    ['items.0:int64[ -1 , 2 ]', 'items.0', 'int64', [null, 2]],
    ['n:float64[]', 'n', 'float64', []],
    ['n:bool', 'n', 'bool', []],
    ['x:bfloat16[0]', 'x', 'bfloat16', [0]],
  ])('%s', (text, name, dtype, shape) => {
    expect(parseInput(text)).toEqual([name, { dtype, shape }]);
  });

  it.each([
    'x',
    'x:',
    ':float32',
    'x:float33[1]',
    'x:float32[1',
    'x:float32[1,]',
    'x:float32[-2]',
    'x:float32[1.5]',
    'x:float32[a]',
  ])('%s is bad usage', (text) => {
    expect(() => parseInput(text)).toThrow(UsageError);
  });
});

describe('--arg', () => {
  it.each([
    ['n=3', 'n', 3n],
    ['n=-9223372036854775808', 'n', -9223372036854775808n],
    ['n=0.5', 'n', 0.5],
    ['n=-1e-3', 'n', -0.001],
    ['n=3.', 'n', 3],
    ['n=None', 'n', null],
    ['n=True', 'n', true],
    ['n=false', 'n', false],
    ['n=fast', 'n', 'fast'],
    ['n="3"', 'n', '3'],
    ["n='None'", 'n', 'None'],
    ['n=', 'n', ''],
    ['n=a=b', 'n', 'a=b'],
  ])('%s', (text, name, value) => {
    expect(parseArgument(text)).toEqual([name, value]);
  });

  it.each(['n', '=3'])('%s is bad usage', (text) => {
    expect(() => parseArgument(text)).toThrow(UsageError);
  });
});

it('collects repeated options; for one name the last one counts', () => {
  const add = collect(parseArgument);
  let all: ReadonlyMap<string, FixedArgument> = new Map();
  for (const text of ['a=1', 'b=2', 'a=3']) all = add(text, all);
  expect([...all]).toEqual([
    ['a', 3n],
    ['b', 2n],
  ]);
});
