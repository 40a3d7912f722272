import { MemoryByteSource, type ByteSource } from '@sconce/storage';
import { expect, it } from 'vitest';

import { readRanges } from './read-ranges.ts';

const KIB = 1024;

it('returns every range in order, and reads near ranges together', async () => {
  const bytes = Uint8Array.from({ length: 300 * KIB }, (_, i) => i % 251);
  const memory = new MemoryByteSource(bytes);
  const reads: [number, number][] = [];
  const source: ByteSource = {
    size: bytes.length,
    read: (offset, length) => {
      reads.push([offset, length]);
      return memory.read(offset, length);
    },
  };
  const ranges = [
    { offset: 200 * KIB, length: 10 },
    { offset: 0, length: 5 },
    { offset: 3, length: 20 },
    { offset: 10 * KIB, length: 0 },
    { offset: 12 * KIB, length: 7 },
  ];
  const results = await readRanges(source, ranges);
  results.forEach((result, i) => {
    const { offset, length } = ranges[i] ?? { offset: 0, length: 0 };
    expect([...result]).toEqual([...bytes.subarray(offset, offset + length)]);
  });
  expect(reads).toEqual([
    [0, 12 * KIB + 7],
    [200 * KIB, 10],
  ]);
  expect(await readRanges(source, [])).toEqual([]);
});
