import { MemoryByteSource } from '@sconce/storage';
import { describe, expect, it } from 'vitest';
import { lengthsOf, mutated, outcomeOf } from '../../fixtures/damaged-files.ts';
import { fixture } from '../../fixtures/fixture-rows.ts';
import { openParquet } from './parquet-reader.ts';

async function bytesOf(name: string): Promise<Uint8Array> {
  const source = await fixture(name);
  return source.read(0, source.size);
}

function text(content: string): Uint8Array {
  return Buffer.from(content, 'latin1');
}

describe('damaged Parquet files', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', text(''), /^The file is not a Parquet file: it begins with "", not "PAR1"\.$/],
    ['a CSV file', text('a,b\n1,2\n'), /not a Parquet file: it begins with "a,b/],
    ['magic alone', text('PAR1'), /cut off: it has 4 bytes and does not end with "PAR1"/],
    ['magic twice', text('PAR1PAR1'), /cut off: it has 8 bytes/],
    ['an empty footer', text('PAR1\0\0\0\0PAR1'), /damaged: its footer cannot be read/],
    [
      'a footer longer than the file',
      text('PAR1\xff\0\0\0PAR1'),
      /its footer should have 255 bytes, and the file has 12/,
    ],
    ['an encrypted footer', text('PARE\0\0\0\0\0\0\0\0PARE'), /is encrypted: write it without encryption/],
    ['a footer of zeros', text(`PAR1${'\0'.repeat(20)}\x14\0\0\0PAR1`), /damaged/],
    ['endless nested lists', text(`PAR1${'\x19'.repeat(4000)}\xa0\x0f\0\0PAR1`), /damaged: its footer cannot be read/],
  ])('refuses %s', async (_, bytes, message) => {
    await expect(openParquet(new MemoryByteSource(bytes))).rejects.toMatchObject({
      code: 'invalid_dataset',
      message: expect.stringMatching(message) as string,
    });
  });

  it('refuses a footer that is too long without reading it', async () => {
    const bytes = new Uint8Array(80 * 1024 ** 2);
    bytes.set(text('PAR1'));
    bytes.set(text('PAR1'), bytes.length - 4);
    new DataView(bytes.buffer).setUint32(bytes.length - 8, 70 * 1024 ** 2, true);
    await expect(openParquet(new MemoryByteSource(bytes))).rejects.toThrow(
      'footer has 73400320 bytes; at most 67108864 are supported. Write the file with larger row groups or fewer columns',
    );
  });

  it('refuses a file that is cut off at any length', async () => {
    const bytes = await bytesOf('lists-v1-snappy.parquet');
    for (const length of lengthsOf(bytes.length)) {
      expect(await outcomeOf(openParquet, bytes.subarray(0, length)), `cut at ${length}`).toMatch(
        /cut off|not a Parquet/,
      );
    }
  });

  it.each([
    'flat-v1-snappy-dictionary',
    'flat-v1-none-plain',
    'flat-v2-zstd-plain',
    'lists-v1-none-plain',
    'lists-v2-zstd',
    'encoded-v2',
    'others',
  ])('reads rows or reports the damage when any bytes of %s are changed', { timeout: 60_000 }, async (name) => {
    const bytes = await bytesOf(`${name}.parquet`);
    let refused = 0;
    for (let seed = 0; seed < 60; seed++) {
      const outcome = await outcomeOf(openParquet, mutated(bytes, seed));
      if (typeof outcome === 'number') continue;
      refused += 1;
      expect(outcome).toMatch(/^The (Parquet )?file .*\.$/s);
    }
    expect(refused).toBeGreaterThan(10);
  });

  it('names column, rows and row group of a damaged page', async () => {
    const bytes = Uint8Array.from(await bytesOf('flat-v1-gzip.parquet'));
    // The values of the first page, which its checksum covers.
    for (let at = 60; at < 64; at++) bytes[at] = 0xaa;
    expect(await outcomeOf(openParquet, bytes)).toMatch(
      /^The Parquet file is damaged in column "int8", rows 0 to \d+ \(row group 0\): .*\. Write it again\.$/,
    );
  });
});
