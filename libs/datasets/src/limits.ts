import { datasetError } from './dataset-error.ts';

/** Longest row of a text file, bytes. A longer row is a bad row and is not read. */
export const MAX_RECORD_BYTES = 16 * 1024 ** 2;

/** Bounds of the JSON of a row. Each array or object takes some 50 bytes of memory, whatever is in it. */
export const ROW_JSON = { maxValues: 16 * 1024 ** 2, maxDepth: 64, maxContainers: 512 * 1024 } as const;

/** Most columns that a dataset may have. */
export const MAX_COLUMNS = 1_000_000;

/** Most rows of a dataset. A batch has at most 40,000 chunks: with more rows, each chunk would be too large. */
const MAX_ROWS = 100_000_000_000;

/** @throws SconceError `invalid_dataset` for more rows than a dataset may have. */
export function checkRowCount(rows: number): void {
  if (rows <= MAX_ROWS) return;
  throw datasetError(
    `The dataset says that it has ${rows} rows; at most ${MAX_ROWS} are supported. Split it, or write it again.`,
  );
}
