import { crc32 as zlibCrc32 } from 'node:zlib';
import { expect, it } from 'vitest';

import { Random } from '../../fuzz/random.ts';
import { crc32 } from './crc32.ts';

it('agrees with zlib at every length', () => {
  const random = new Random(1);
  for (let length = 0; length < 300; length++) {
    const bytes = Uint8Array.from({ length }, () => random.below(256));
    expect(crc32(bytes)).toBe(zlibCrc32(bytes));
  }
});
