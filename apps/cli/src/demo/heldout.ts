import { failure } from '../output/failure.ts';

/** Rows of the digits example: their true digits, and their pixels one row after the other. */
export interface Heldout {
  readonly labels: readonly number[];
  /** FP32 [rows, 64], values 0 … 16. */
  readonly pixels: Float32Array;
}

export const PIXELS = 64;

const COLUMNS = ['label', ...Array.from({ length: PIXELS }, (_, pixel) => `p${pixel}`)];
const HINT = 'The file is part of the project: restore it with git.';
const MAX_ROWS = 100_000;

/** Reads `heldout.csv`: `id,label,p0,…,p63`. @throws SconceError `invalid_request` if it is not such a table. */
export async function readHeldout(path: string): Promise<Heldout> {
  const labels: number[] = [];
  const pixels: number[] = [];
  try {
    for (const [label, ...values] of await readCells(path)) {
      labels.push(label ?? NaN);
      pixels.push(...values);
    }
  } catch (cause) {
    throw failure('invalid_request', `${path} cannot be read: ${(cause as Error).message}`, { hint: HINT, cause });
  }
  if (labels.length === 0 || labels.some(Number.isNaN) || pixels.some(Number.isNaN)) {
    throw failure('invalid_request', `${path} is not a table of id, label, p0 … p63.`, { hint: HINT });
  }
  return { labels, pixels: Float32Array.from(pixels) };
}

/** The numbers of `COLUMNS`, row by row; NaN for a field that is missing or not a number. */
async function readCells(path: string): Promise<number[][]> {
  // Loaded here: most commands do not need these libraries, and they load slowly.
  const [{ cellOf, openDataset }, { openFile }] = await Promise.all([
    import('@sconce/datasets'),
    import('@sconce/storage'),
  ]);
  const source = await openFile(path);
  await using reader = await openDataset(source, 'csv');
  const { chunk } = await reader.plan(reader.start, { rows: MAX_ROWS, multipleOf: 1, maxBytes: source.size });
  const rows: number[][] = [];
  if (chunk === undefined) return rows;
  for await (const block of reader.read({ range: chunk, columns: COLUMNS, blockRows: chunk.rows })) {
    for (let row = 0; row < block.rows; row += 1) {
      rows.push(COLUMNS.map((_, column) => numberOf(cellOf(block.cells, row, column))));
    }
  }
  return rows;
}

function numberOf(field: unknown): number {
  return typeof field === 'string' && field.trim() !== '' ? Number(field) : NaN;
}
