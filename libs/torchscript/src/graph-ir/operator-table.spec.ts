import { expect, it } from 'vitest';

import { overloadsOf } from './operator-table.ts';

const firstNames = (release: 1 | 2): string[] =>
  overloadsOf('aten::upsample_nearest2d', release)[0]?.args.map(({ name }) => name) ?? [];

it('orders overloads as in the release that wrote the code', () => {
  expect(firstNames(1)).toEqual(['input', 'output_size', 'scale_factors']);
  expect(firstNames(2)).toEqual(['self', 'output_size', 'scales_h', 'scales_w']);
});

it('returns no overloads for operators that PyTorch does not have', () => {
  expect(overloadsOf('aten::no_such_thing')).toEqual([]);
});
