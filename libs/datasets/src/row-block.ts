import type { RowProblem } from './dataset-error.ts';

/** Consecutive values of one column: a typed array if the file has one, else plain values. */
export type ColumnValues = ArrayLike<unknown>;

/**
 * The values of a block: by row (text formats) or by column (Parquet, Arrow, NPY). With rows, `at[i]` is the index of the i-th requested
 * column in a row. Columns are in the requested order.
 */
export type Cells =
  | { readonly by: 'row'; readonly rows: readonly (readonly unknown[])[]; readonly at: readonly number[] }
  | { readonly by: 'column'; readonly columns: readonly ColumnValues[] };

/** Consecutive rows of a dataset. */
export interface RowBlock {
  /** 0-based number of the first row in the dataset. */
  readonly firstRow: number;
  readonly rows: number;
  readonly cells: Cells;
  /**
   * Present if the reader read the requested numbers, row by row. Then only the rows in `rest` have these columns in their cells; the
   * numbers of those rows are not valid here.
   */
  readonly numbers?: { readonly values: Float32Array; readonly rest: readonly number[] };
  /** Of text, if the read range has blank lines so far: for each row, the number of blank lines before it in the range. */
  readonly blankLines?: readonly number[] | undefined;
  /** Bad rows by their index in the block. Their cells have no meaning. */
  readonly problems: ReadonlyMap<number, RowProblem>;
}

/** One value of a block. */
export function cellOf(cells: Cells, row: number, column: number): unknown {
  if (cells.by === 'column') return cells.columns[column]?.[row];
  return cells.rows[row]?.[cells.at[column] ?? -1];
}
