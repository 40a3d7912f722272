import { expect, it } from 'vitest';
import type { Tensor } from '@sconce/tensor';
import { model } from '../batching/testing/test-runner.ts';
import { kindOf, triedKindOf } from './request-kind.ts';

const dynamic = model({ rowInputs: new Set(['x']) });
const none = model({ axis: 'none' });
const unbounded = model({ axis: 'none', unbounded: true });
const numbers = (...values: number[]): Tensor => ({
  name: 'x',
  datatype: 'FP32',
  shape: [values.length],
  data: new Uint8Array(new Float32Array(values).buffer),
});
const floats = (shape: number[]): Tensor => ({
  name: 'x',
  datatype: 'FP32',
  shape,
  data: new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)),
});
const integers = (...values: bigint[]): Tensor => ({
  name: 'n',
  datatype: 'INT64',
  shape: [values.length],
  data: new Uint8Array(new BigInt64Array(values).buffer),
});

it.each([
  ['no rows', { model: dynamic, inputs: [floats([0, 4])] }, '[0,2^2]'],
  ['some rows, whatever their number', { model: dynamic, inputs: [floats([7, 4])] }, '[n,2^2]'],
  ['an empty inner axis', { model: dynamic, inputs: [floats([2, 0])] }, '[n,0]'],
  ['sizes without a batch axis', { model: none, inputs: [floats([1, 30_000])] }, '[1,2^14]'],
  ['a scalar', { model: none, inputs: [floats([])] }, '[]'],
  ['a length', { model: none, inputs: [integers(10n ** 13n)] }, '[1]=2^43'],
  ['indices', { model: none, inputs: [integers(-1n, 0n, 77n, -77n)] }, '[2^2]=-1,0,2^6,-2^6'],
  [
    'many integers of an unbounded model',
    { model: unbounded, inputs: [integers(...Array<bigint>(8).fill(-3n), 10n ** 13n)] },
    '[2^3]<2^43',
  ],
  ['few integers of an unbounded model', { model: unbounded, inputs: [integers(5n)] }, '[1]=2^2'],
  ['numbers of an unbounded model', { model: unbounded, inputs: [numbers(0.25, -7.5, 0.125)] }, '[2^1]<2^3'],
  ['small numbers of an unbounded model', { model: unbounded, inputs: [numbers(0.25, -0.5)] }, '[2^1]<1'],
  ['a number that is none', { model: unbounded, inputs: [numbers(1, NaN)] }, '[2^1]<NaN'],
  ['an infinite number', { model: unbounded, inputs: [numbers(1, -Infinity)] }, '[2^1]<2^Infinity'],
  ['no numbers of an unbounded model', { model: unbounded, inputs: [numbers()] }, '[0]'],
  ['many integers', { model: none, inputs: [integers(...Array<bigint>(9).fill(9n))] }, '[2^3]'],
  [
    'a mask of few elements',
    { model: none, inputs: [{ name: 'm', datatype: 'BOOL', shape: [2], data: new Uint8Array([0, 1]) } as Tensor] },
    '[2^1]=0,1',
  ],
])('the kind of %s', (_, request, kind) => {
  expect(kindOf(request)).toBe(kind);
});

it.each([
  ['a length', { model: unbounded, inputs: [integers(10n ** 13n)] }, '[1]<2^43'],
  ['small and large integers', { model: unbounded, inputs: [integers(3n, -77n, 0n)] }, '[2^1]<2^6'],
  ['small numbers', { model: unbounded, inputs: [numbers(0.25, -0.5)] }, '[2^1]<1'],
  ['no rows of a bounded model', { model: dynamic, inputs: [floats([0, 4]), integers(7n)] }, '[0,2^2] [1]'],
])('the kind that is tried of %s', (_, request, kind) => {
  expect(triedKindOf(request)).toBe(kind);
});
