import { expect, it } from 'vitest';

import { datatypeOf, scalarTypeOf } from './scalar-datatype.ts';
import { SCALAR_TYPES } from './scalar-type.ts';

it('converts every dtype that tensors may have, in both directions', () => {
  for (const dtype of SCALAR_TYPES.filter((name) => !/^(?:complex|q)/.test(name) && name !== 'quint8')) {
    // bfloat16 is computed and passed as float32.
    expect(scalarTypeOf(datatypeOf(dtype))).toBe(dtype === 'bfloat16' ? 'float32' : dtype);
  }
  expect(scalarTypeOf('BF16')).toBe('bfloat16');
});

it('refuses types that cannot be passed', () => {
  expect(() => datatypeOf('complex64')).toThrow('complex64');
  expect(() => scalarTypeOf('BYTES')).toThrow('BYTES');
});
