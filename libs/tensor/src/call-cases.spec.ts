import { describe, expect, it } from 'vitest';
import type { Tensor } from './datatype.ts';
import { casesOf } from './call-cases.ts';

const tensorsOf = (...names: string[]): Map<string, Tensor> =>
  new Map(names.map((name) => [name, { name, datatype: 'FP32', shape: [0], data: new Uint8Array() }]));

describe('casesOf', () => {
  it('gives calls and their tensors in order, whatever the order of the file is', () => {
    const outs = Array.from({ length: 11 }, (_, i) => `2.out.${i}`);
    const cases = casesOf(tensorsOf(...outs.toReversed(), '10.out.0', '2.in.1', '2.in.0', 'note', '1.in.0.x'));
    expect(cases.map(({ call }) => call)).toEqual([2, 10]);
    expect(cases[0]?.outputs.map(({ name }) => name)).toEqual(outs);
    expect(cases[0]?.inputs.map(({ name }) => name)).toEqual(['2.in.0', '2.in.1']);
    expect(cases[1]?.inputs).toEqual([]);
  });

  it.each([
    ['no calls', ['x', 'y'], /no calls/],
    ['no outputs', ['0.in.0'], /no outputs of call 0/],
    ['a missing argument', ['0.in.1', '0.out.0'], /no tensor 0\.in\.0/],
    ['a missing output', ['0.out.0', '0.out.999999999'], /no tensor 0\.out\.1/],
  ])('refuses %s', (_, names, message) => {
    expect(() => casesOf(tensorsOf(...names))).toThrow(message);
  });
});
