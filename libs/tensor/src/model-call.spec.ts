import { describe, expect, it } from 'vitest';
import type { Datatype, Tensor } from './datatype.ts';
import { bindCall, callOf, checkNames, type ModelCall, type InputSpec } from './model-call.ts';

const tensor = (
  name: string,
  datatype: Datatype = 'FP32',
  data: Uint8Array = new Uint8Array(4),
  shape: readonly number[] = [1],
): Tensor => ({
  name,
  datatype,
  shape,
  data,
});
const fileOf = (...names: string[]): Map<string, Tensor> => new Map(names.map((name) => [name, tensor(name)]));
const spec = (name: string, datatype: Datatype = 'FP32'): InputSpec => ({ name, datatype });
const order = ({ tensors, byName }: ModelCall): unknown => [byName, ...tensors.map(({ name }) => name)];

describe('callOf', () => {
  it.each([
    [
      ['1', '10', '0', '2'],
      [false, '0', '1', '2', '10'],
    ],
    [
      ['in.1', 'in.0'],
      [false, 'in.0', 'in.1'],
    ],
    [
      ['0.out.0', '0.in.1', '1.in.0', '0.in.0'],
      [false, '0.in.0', '0.in.1'],
    ],
    [
      ['x', 'y'],
      [true, 'x', 'y'],
    ],
    [
      ['x', '0'],
      [true, 'x', '0'],
    ],
    [
      ['items.1', 'items.0'],
      [true, 'items.1', 'items.0'],
    ],
  ])('%j', (names, expected) => {
    expect(order(callOf(fileOf(...names)))).toEqual(expected);
  });
});

describe('bindCall', () => {
  const byName = (...names: string[]): ModelCall => ({ tensors: names.map((name) => tensor(name)), byName: true });
  const inOrder = (...tensors: Tensor[]): ModelCall => ({ tensors, byName: false });

  it('finds inputs by name or in order', () => {
    expect(bindCall(byName('b', 'a'), [spec('a'), spec('b')]).map(({ name }) => name)).toEqual(['a', 'b']);
    expect(bindCall(inOrder(tensor('q')), [spec('a')])).toMatchObject([{ name: 'a' }]);
  });

  it('accepts any name for a single tensor', () => {
    expect(bindCall(byName('anything'), [spec('x')])).toMatchObject([{ name: 'x' }]);
    expect(checkNames(byName('anything'), ['x', 'y']).byName).toBe(false);
  });

  it('accepts the parts of lists and dicts', () => {
    expect(checkNames(byName('items.0', 'x'), ['items', 'x']).byName).toBe(true);
    expect(() => checkNames(byName('itemsize', 'x'), ['items', 'x'])).toThrow(
      /no input itemsize; its inputs are items, x/,
    );
  });

  it.each<[string, ModelCall, RegExp]>([
    ['too few', inOrder(tensor('0')), /takes 2 inputs \(a, b\), and 1 tensor came/],
    ['too many', inOrder(tensor('0'), tensor('1'), tensor('2')), /and 3 tensors came/],
    ['a missing name', byName('a'), /and 1 tensor came/],
    [
      'another dtype',
      inOrder(tensor('0', 'FP64', new Uint8Array(8)), tensor('1')),
      /Input a takes FP32, and the tensor is FP64/,
    ],
  ])('refuses %s', (_, call, message) => {
    expect(() => bindCall(call, [spec('a'), spec('b')])).toThrow(message);
  });

  const bytes = (view: Float32Array | Float64Array | BigInt64Array | Int32Array | Uint16Array): Uint8Array =>
    new Uint8Array(view.buffer);
  it.each<[string, Tensor, Datatype, Uint8Array | undefined]>([
    ['float32 as float64', tensor('n', 'FP32', bytes(Float32Array.of(0.5)), []), 'FP64', bytes(Float64Array.of(0.5))],
    ['int64 as float64', tensor('n', 'INT64', bytes(BigInt64Array.of(-3n)), []), 'FP64', bytes(Float64Array.of(-3))],
    ['int32 as int64', tensor('n', 'INT32', bytes(Int32Array.of(-3)), []), 'INT64', bytes(BigInt64Array.of(-3n))],
    ['int64 as bool', tensor('n', 'INT64', bytes(BigInt64Array.of(3n)), []), 'BOOL', Uint8Array.of(1)],
    ['a fraction as int64', tensor('n', 'FP32', bytes(Float32Array.of(0.5)), []), 'INT64', undefined],
    ['a row of numbers', tensor('n', 'FP32', bytes(Float32Array.of(1)), [1]), 'FP64', undefined],
    [
      'bfloat16 as float32',
      tensor('n', 'BF16', bytes(Uint16Array.of(0x3f80, 0xc000)), [2]),
      'FP32',
      bytes(Float32Array.of(1, -2)),
    ],
  ])('converts or refuses %s', (_, given, datatype, data) => {
    const bind = (): Tensor[] => bindCall(inOrder(given), [spec('n', datatype)]);
    if (data === undefined) expect(bind).toThrow(/Input n takes/);
    else expect(bind()).toMatchObject([{ name: 'n', datatype, data }]);
  });
});
