import { SconceError } from '@sconce/errors';
import { MemoryByteSource } from '@sconce/storage';
import { describe, expect, it } from 'vitest';
import { lengthsOf, mutated, outcomeOf } from '../../fixtures/damaged-files.ts';
import { fixture } from '../../fixtures/fixture-rows.ts';
import { openArrow } from './arrow-reader.ts';

async function bytesOf(name: string): Promise<Uint8Array> {
  const source = await fixture(name);
  return source.read(0, source.size);
}

function text(content: string): Uint8Array {
  return Buffer.from(content, 'latin1');
}

/** The rows of the chunks that are planned of a file; 0 if it is refused. Not all, if they are very many. */
async function plannedRows(bytes: Uint8Array): Promise<number> {
  try {
    await using reader = await openArrow(new MemoryByteSource(bytes));
    const size = { rows: 1_000_000, multipleOf: 10, maxBytes: 2 ** 40 };
    const { chunk } = await reader.plan(reader.start, size);
    return chunk?.rows ?? 0;
  } catch (error) {
    if (error instanceof SconceError && error.code === 'invalid_dataset') return 0;
    throw error;
  }
}

describe('damaged Arrow files', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', text(''), /^The file is not an Arrow IPC file: it begins with "", not with "ARROW1"/],
    ['a CSV file', text('a,b\n1,2\n'), /not an Arrow IPC file: it begins with "a,b/],
    ['Feather version 1', text('FEA1\0\0\0\0'), /Feather version 1: write it as Arrow IPC/],
    ['magic alone', text('ARROW1'), /cut off: it has 6 bytes and does not end with "ARROW1"/],
    ['only the magic at both ends', text('ARROW1\0\0\0\0\0\0ARROW1'), /its footer should have 0 bytes/],
    [
      'a footer longer than the file',
      text('ARROW1\0\0\xff\0\0\0ARROW1'),
      /its footer should have 255 bytes, and the file has 18/,
    ],
    ['a footer of zeros', text(`ARROW1\0\0${'\0'.repeat(40)}\x28\0\0\0ARROW1`), /damaged: its footer cannot be read/],
    ['a stream without a schema', text('\xff\xff\xff\xff\0\0\0\0'), /does not begin with a schema/],
    [
      'a stream that begins with invalid bytes',
      text(`\xff\xff\xff\xff\x10\0\0\0${'\x01'.repeat(16)}`),
      /damaged at byte 0/,
    ],
    ['a stream of endless metadata', text('\xff\xff\xff\xff\xff\xff\xff\x7f'), /metadata should have 2147483647 bytes/],
  ])('refuses %s', async (_, bytes, message) => {
    await expect(openArrow(new MemoryByteSource(bytes))).rejects.toMatchObject({
      code: 'invalid_dataset',
      message: expect.stringMatching(message) as string,
    });
  });

  it('refuses a file that is cut off at any length', async () => {
    const bytes = await bytesOf('lists.arrow');
    for (const length of lengthsOf(bytes.length)) {
      expect(await outcomeOf(openArrow, bytes.subarray(0, length)), `cut at ${length}`).toMatch(/cut off|not an Arrow/);
    }
  });

  it.each(['flat.arrow', 'flat-zstd.arrow', 'flat-stream.arrow'])(
    'refuses batches of %s with more rows than the bytes of their columns have room for',
    async (name) => {
      const bytes = Buffer.from(await bytesOf(name));
      const numbersThatAre = (value: bigint): number[] =>
        Array.from({ length: bytes.length / 4 - 1 }, (_, word) => word * 4).filter(
          (at) => bytes.readBigInt64LE(at) === value,
        );
      // Its batches have 50, 50 and 20 rows: first the number of rows alone is wrong, then the lengths of the columns as well.
      const places = numbersThatAre(50n);
      expect(places.length).toBeGreaterThan(4);
      for (const at of places) {
        const one = Buffer.from(bytes);
        one.writeBigInt64LE(2n ** 40n, at);
        expect(await plannedRows(one), `the number at byte ${at}`).toBeLessThanOrEqual(120);
        bytes.writeBigInt64LE(2n ** 40n, at);
      }
      expect(await outcomeOf(openArrow, bytes)).toMatch(
        /batch should have 1099511627776 rows, and none of its columns has as many/,
      );
    },
  );

  it('accepts a stream that is cut off only between messages, where a stream may end', async () => {
    const bytes = await bytesOf('flat-stream.arrow');
    for (const length of lengthsOf(bytes.length)) {
      const outcome = await outcomeOf(openArrow, bytes.subarray(0, length));
      if (typeof outcome === 'number') expect([0, 50, 100, 120]).toContain(outcome);
      else expect(outcome).toMatch(/cut off|not an Arrow|begin with a schema/);
    }
  });

  it.each([
    'flat.arrow',
    'flat-lz4.arrow',
    'flat-stream.arrow',
    'lists.arrow',
    'lists-stream-zstd.arrow',
    'dictionary.arrow',
    'dictionary-stream.arrow',
  ])('reads rows or reports the damage when any bytes of %s are changed', { timeout: 60_000 }, async (name) => {
    const bytes = await bytesOf(name);
    let refused = 0;
    for (let seed = 0; seed < 60; seed++) {
      const outcome = await outcomeOf(openArrow, mutated(bytes, seed));
      if (typeof outcome === 'number') continue;
      refused += 1;
      expect(outcome).toMatch(/^(The|Column) .*\.$/s);
    }
    expect(refused).toBeGreaterThan(5);
  });
});
