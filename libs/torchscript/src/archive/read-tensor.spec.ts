import { MemoryByteSource } from '@sconce/storage';
import { readFile } from 'node:fs/promises';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

import { makeSeed } from '../../fuzz/mutate.ts';
import { buildZip } from '../../fixtures/archive/build-zip.ts';
import type { PickleTensor, PickleValue } from '../pickle/pickle-value.ts';
import { crc32 } from './crc32.ts';
import { openArchive } from './open-archive.ts';
import { contiguousRange, readTensor } from './read-tensor.ts';

const fixture = (name: string): Promise<Buffer> => readFile(new URL(`../../fixtures/archive/${name}`, import.meta.url));
const file = Uint8Array.from(await fixture('everything.pt'));
const expected = JSON.parse((await fixture('everything.json')).toString()) as Record<string, string>;
const archive = await openArchive(new MemoryByteSource(file));

function asTensor(value: PickleValue | undefined): PickleTensor {
  if (typeof value === 'object' && value !== null && value.kind === 'tensor') return value;
  throw new Error('no tensor');
}

const tensorNamed = (name: string): PickleTensor => asTensor(archive.root.attributes.get(name));
const NAMES = Object.keys(expected);
const STRIDED = ['turned', 'part', 'spread', 'last'];

describe('readTensor', () => {
  it.each(NAMES)('gives the same bytes of %s as PyTorch', async (name) => {
    const bytes = await readTensor(archive, tensorNamed(name));
    expect(Buffer.from(bytes).toString('hex')).toBe(expected[name]);
  });

  it('inflates deflated records', async () => {
    const { files } = await makeSeed('everything', file);
    const deflated = files.map(({ name, data }) => ({
      ...{ name, method: 8, bytes: data.length, crc32: crc32(data) },
      data: Uint8Array.from(deflateRawSync(data)),
    }));
    const zipped = await openArchive(new MemoryByteSource(buildZip(deflated)));
    for (const name of NAMES) {
      const tensor = asTensor(zipped.root.attributes.get(name));
      expect(contiguousRange(zipped, tensor)).toBeUndefined();
      expect(Buffer.from(await readTensor(zipped, tensor)).toString('hex')).toBe(expected[name]);
    }
  });

  it('reads only the part of the storage that the tensor uses', async () => {
    const reads: number[] = [];
    const memory = new MemoryByteSource(file);
    const counting = await openArchive({
      size: file.length,
      read: (offset, length) => {
        reads.push(length);
        return memory.read(offset, length);
      },
    });
    reads.length = 0;
    await readTensor(counting, asTensor(counting.root.attributes.get('part')));
    // Two rows of four float32 values, without the first and the last element.
    expect(reads).toEqual([6 * 4]);
  });

  it('refuses to repeat a small storage into a huge tensor', async () => {
    const giant: PickleTensor = { ...tensorNamed('base'), sizes: [2 ** 26, 12], strides: [0, 1] };
    await expect(readTensor(archive, giant)).rejects.toThrow(/repeats 12 elements of data\/\d+ into 805306368/);
  });

  it('refuses a tensor with a missing or short record', async () => {
    const { storage } = tensorNamed('base');
    const missing: PickleTensor = { ...tensorNamed('base'), storage: { ...storage, record: 'data/99' } };
    await expect(readTensor(archive, missing)).rejects.toMatchObject({ code: 'model_invalid' });
    const long: PickleTensor = { ...tensorNamed('base'), sizes: [13], strides: [1] };
    await expect(readTensor(archive, long)).rejects.toThrow(/has 48 bytes, but a tensor in it needs 52/);
    expect(contiguousRange(archive, long)).toBeUndefined();
  });
});

describe('contiguousRange', () => {
  it.each(NAMES.filter((name) => !STRIDED.includes(name)))('finds %s in the file', (name) => {
    const range = contiguousRange(archive, tensorNamed(name));
    const { offset = -1, length = -1 } = range ?? {};
    expect(Buffer.from(file.subarray(offset, offset + length)).toString('hex')).toBe(expected[name]);
  });

  it.each(STRIDED)('does not give %s, which has gaps or repetitions', (name) => {
    expect(contiguousRange(archive, tensorNamed(name))).toBeUndefined();
  });

  it('ignores the stride of a dimension of one element', () => {
    const odd: PickleTensor = { ...tensorNamed('base'), sizes: [1, 12, 1], strides: [7, 1, 99] };
    expect(contiguousRange(archive, odd)).toEqual(contiguousRange(archive, tensorNamed('base')));
  });
});
