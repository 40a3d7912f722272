import { datasetError, listed } from '../dataset-error.ts';
import { numberOf } from '../mapping/element-writers.ts';

/** Fewer columns than this that are named 0, 1, … may as well be values. */
const MIN_COUNTED = 3;

/**
 * Refuses a header whose names are all numbers, because it may be the first row of a file without a header. Names that count the columns
 * (0, 1, 2, … or 1, 2, 3, …) are a header. @throws SconceError `invalid_dataset`.
 */
export function checkHeader(names: readonly string[]): void {
  if (names.length === 0 || names.some((name) => numberOf(name) === undefined)) return;
  const counts = [0, 1].some((first) => names.every((name, index) => name === String(index + first)));
  if (counts && names.length >= MIN_COUNTED) return;
  throw datasetError(
    `All names in the first line are numbers: ${listed(names)}. If the file has no header, say so: "csv": {"header": false} (--no-header). If these are names of columns, confirm them: "csv": {"header": true} (--header).`,
    { param: 'csv' },
  );
}
