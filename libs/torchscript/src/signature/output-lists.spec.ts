import type { Tensor } from '@sconce/tensor';
import { describe, expect, it } from 'vitest';

import { spreadLists } from './output-lists.ts';

const ints = (name: string, shape: number[], values: number[]): Tensor => ({
  name,
  datatype: 'INT64',
  shape,
  data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});
const floats = (name: string, shape: number[], values: number[]): Tensor => ({
  name,
  datatype: 'FP32',
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});
const text = ({ shape, data, datatype }: Tensor): string => {
  const { buffer } = data.slice();
  const values =
    datatype === 'INT64' ? Array.from(new BigInt64Array(buffer), Number) : Array.from(new Float32Array(buffer));
  return `[${shape.join()}] ${values.join(' ')}`;
};
const column = (values: string, sizes?: string, depth = 1) => ({
  values,
  ...(sizes === undefined ? {} : { sizes }),
  depth,
});

describe('spreadLists', () => {
  it.each<[string, Tensor[], Parameters<typeof spreadLists>[1], string[]]>([
    ['outputs that are no lists stay', [floats('y', [2], [1, 2])], [], ['[2] 1 2']],
    [
      'items of one shape',
      [floats('y', [], [9]), floats('a', [2, 3], [1, 2, 3, 4, 5, 6])],
      [{ columns: [column('a')] }],
      ['[] 9', '[3] 1 2 3', '[3] 4 5 6'],
    ],
    ['a list without items', [floats('a', [0, 3], [])], [{ columns: [column('a')] }], []],
    [
      'items of different shapes',
      [floats('a', [7], [1, 2, 3, 4, 5, 6, 7]), ints('a.sizes', [3, 2], [1, 2, 0, 3, 5, 1]), floats('z', [], [0])],
      [{ columns: [column('a', 'a.sizes')] }],
      ['[1,2] 1 2', '[0,3] ', '[5,1] 3 4 5 6 7', '[] 0'],
    ],
    [
      'lists in a list',
      [ints('a', [3], [1, 2, 3]), ints('a.sizes', [2, 1], [1, 2])],
      [{ columns: [column('a', 'a.sizes', 2)] }],
      ['[] 1', '[] 2', '[] 3'],
    ],
    [
      'tuples in a list',
      [ints('a.0', [2], [1, 2]), floats('a.1', [2, 1], [8, 9])],
      [{ columns: [column('a.0'), column('a.1')] }],
      ['[] 1', '[1] 8', '[] 2', '[1] 9'],
    ],
  ])('%s', (_, outputs, lists, expected) => {
    expect(spreadLists(outputs, lists).map(text)).toEqual(expected);
  });

  it('strings are left out, alone and beside other parts of tuples', () => {
    const words = { name: 'w', datatype: 'BYTES', shape: [2], data: new Uint8Array(8) } as const;
    expect(spreadLists([words, floats('y', [1], [1])], [])).toHaveLength(1);
    const lists = [{ columns: [column('w'), column('n')] }];
    expect(spreadLists([words, ints('n', [2], [5, 6])], lists).map(text)).toEqual(['[] 5', '[] 6']);
  });
});
