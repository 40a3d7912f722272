import type { RowProblem } from './dataset-error.ts';

/** A run of values of one column: a typed array where the file has one, else plain values. */
export type ColumnValues = ArrayLike<unknown>;

/**
 * The values of a block as the format gives them: row by row (text formats), or column by column (Parquet, Arrow, NPY). `at[i]` is
 * where the i-th column that was asked for stands in a row; columns come in the order asked for.
 */
export type Cells =
  | { readonly by: 'row'; readonly rows: readonly (readonly unknown[])[]; readonly at: readonly number[] }
  | { readonly by: 'column'; readonly columns: readonly ColumnValues[] };

/** Rows of a dataset that follow each other. */
export interface RowBlock {
  /** 0-based number, in the dataset, of the first row. */
  readonly firstRow: number;
  readonly rows: number;
  readonly cells: Cells;
  /**
   * Where the reader read the numbers that were asked for: row by row. Cells then have those columns only in the rows that `rest` names,
   * whose numbers are not among these.
   */
  readonly numbers?: { readonly values: Float32Array; readonly rest: readonly number[] };
  /** Rows that could not be read, by their place in the block; their cells mean nothing. */
  readonly problems: ReadonlyMap<number, RowProblem>;
}

/** One value of a block. */
export function cellOf(cells: Cells, row: number, column: number): unknown {
  if (cells.by === 'column') return cells.columns[column]?.[row];
  return cells.rows[row]?.[cells.at[column] ?? -1];
}
