import { describe, expect, it } from 'vitest';
import type { Tensor } from '@sconce/tensor';
import { withNumbersFixed, withoutFixed } from './fixed-numbers.ts';

type Params = Parameters<typeof withoutFixed>[1];

const type = (name: string, ...args: Params[number]['type'][]): NonNullable<Params[number]['type']> => ({
  name,
  args: args.flatMap((arg) => arg ?? []),
});
const param = (name: string, of: Params[number]['type']): Params[number] => ({ name, type: of, default: undefined });

const x: Tensor = { name: 'x', datatype: 'FP32', shape: [1], data: new Uint8Array(4) };
const rate: Tensor = {
  name: 'sr',
  datatype: 'INT64',
  shape: [],
  data: new Uint8Array(new BigInt64Array([16000n]).buffer),
};
const params = [param('x', type('Tensor')), param('sr', type('int'))];
const call = { tensors: [x, rate], byName: false };

describe('withoutFixed', () => {
  it('drops arguments that the model has fixed', () => {
    expect(withoutFixed(call, params, new Map([['sr', 16000n]])).tensors).toEqual([x]);
  });

  it.each([
    ['a call without that argument', { tensors: [x], byName: false }, params],
    ['a call by name', { ...call, byName: true }, params],
    ['a call with lists of tensors', call, [param('x', type('List', type('Tensor'))), param('sr', type('int'))]],
  ])('leaves %s alone', (_, one, of) => {
    expect(withoutFixed(one, of, new Map([['sr', 16000n]]))).toBe(one);
  });
});

describe('withNumbersFixed', () => {
  it('takes the numbers of the call', () => {
    const reduced = withNumbersFixed(call, params, new Map());
    expect(reduced?.call.tensors).toEqual([x]);
    expect(reduced?.args).toEqual(new Map([['sr', 16000n]]));
    expect(reduced?.fixed).toEqual(['sr = 16000']);
  });

  it('takes bools and floats by the type of the parameter', () => {
    const optional = [param('flag', type('bool')), param('scale', type('Optional', type('float')))];
    const tensors: Tensor[] = [
      { name: '0', datatype: 'BOOL', shape: [], data: Uint8Array.of(1) },
      { name: '1', datatype: 'FP64', shape: [], data: new Uint8Array(new Float64Array([0.5]).buffer) },
    ];
    const reduced = withNumbersFixed({ tensors, byName: false }, optional, new Map());
    expect(reduced?.args).toEqual(
      new Map<string, boolean | number>([
        ['flag', true],
        ['scale', 0.5],
      ]),
    );
  });

  it('returns undefined if the call has no numbers', () => {
    expect(withNumbersFixed({ tensors: [x], byName: false }, params, new Map())).toBeUndefined();
  });
});
