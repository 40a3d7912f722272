import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { MemoryByteSource } from '@sconce/storage';
import { oneByteMutants, validDatasets, type ValidDataset } from './testing/mutants.ts';
import { openDataset } from './open-dataset.ts';

// Whatever one byte of a dataset is changed to, its readers end: with rows, or with `invalid_dataset`.

const MUTANTS = 100;
/** A damaged file may claim endless rows. Each chunk of them is read in bounded time, so some are enough. */
const MAX_CHUNKS = 20;

/** The rows of a dataset, with bad rows; or why it cannot be read. */
async function rowsOf({ kind, format, column, bytes }: ValidDataset): Promise<number | string> {
  try {
    const source = new MemoryByteSource(kind === 'gzip' ? gunzipSync(bytes) : bytes);
    await using reader = await openDataset(source, format);
    const columns = reader.columns.map(({ name }) => name).filter((name) => name === column);
    let rows = 0;
    let from = reader.start;
    for (let chunks = 0; chunks < MAX_CHUNKS; chunks++) {
      const { chunk, next, last } = await reader.plan(from, { rows: 40, multipleOf: 8, maxBytes: 2 ** 20 });
      if (chunk !== undefined) {
        for await (const block of reader.read({ range: chunk, columns, blockRows: 8 })) rows += block.rows;
      }
      if (last) break;
      from = next;
    }
    return rows;
  } catch (error) {
    if (error instanceof SconceError && error.code === 'invalid_dataset') return error.message;
    // Node's own errors of damaged gzip files: validation turns them into `invalid_dataset`.
    if (kind === 'gzip' && 'code' in (error as object)) return (error as Error).message;
    throw error;
  }
}

it.each(validDatasets().map((dataset) => [dataset.filename, dataset] as const))('%s is valid', async (_, dataset) => {
  expect(await rowsOf(dataset)).toBeGreaterThan(0);
});

it.each([1, 2])(
  `${MUTANTS} one-byte mutants of each kind are read or refused (seed %d)`,
  { timeout: 120_000 },
  async (seed) => {
    const refused: Record<string, number> = {};
    for (const mutant of oneByteMutants(seed, MUTANTS)) {
      const { kind, filename, at, was, is } = mutant;
      const outcome = await rowsOf(mutant).catch((error: unknown) => {
        throw new Error(`${filename}, byte ${at} from ${was} to ${is}`, { cause: error });
      });
      if (typeof outcome === 'string') refused[kind] = (refused[kind] ?? 0) + 1;
    }
    // Mutants reach the readers' checks.
    for (const kind of ['parquet', 'arrow', 'npy', 'gzip']) expect(refused[kind], kind).toBeGreaterThan(0);
  },
);
