import { SconceError } from '@sconce/errors';
import type { ByteSource } from '@sconce/storage';
import { datasetError, shown } from '../dataset-error.ts';
import type { ColumnValues } from '../row-block.ts';
import { ChunkStream } from './chunk-stream.ts';
import { DEFAULT_PARSERS, assembleNested, type DecodedArray } from './hyparquet-parts.ts';
import { PageProblem } from './page-header.ts';
import type { ParquetFooter, RowGroup } from './parquet-footer.ts';
import type { Leaf, ParquetColumn } from './parquet-schema.ts';
import { joinValues } from './value-runs.ts';

/** The rows of one column, read in order, over all row groups of the file. */
export class ColumnStream {
  readonly #source: ByteSource;
  readonly #footer: ParquetFooter;
  readonly #column: ParquetColumn;
  readonly #leaves: readonly Leaf[];
  #group: { readonly index: number; readonly chunks: readonly ChunkStream[] } | undefined;

  constructor(source: ByteSource, footer: ParquetFooter, column: ParquetColumn) {
    this.#source = source;
    this.#footer = footer;
    this.#column = column;
    this.#leaves = column.leaves.flatMap((place) => footer.leaves[place] ?? []);
  }

  /**
   * Rows `from` to `from + count` of the file, copied into separate memory. @throws SconceError `invalid_dataset` if pages are damaged or
   * cannot be read.
   */
  async rows(from: number, count: number): Promise<ColumnValues> {
    const pieces: ColumnValues[] = [];
    let at = from;
    while (at < from + count) {
      const index = this.#groupOf(at);
      const group = this.#footer.groups[index];
      if (group === undefined) throw new SconceError('internal', `there is no row group with row ${at}`);
      const rows = Math.min(from + count, group.firstRow + group.rows) - at;
      try {
        pieces.push(...(await this.#read(index, at - group.firstRow, rows)));
      } catch (error) {
        throw this.#explained(error, { index, first: at, last: at + rows - 1 });
      }
      at += rows;
    }
    return joinValues(pieces);
  }

  /** Releases its memory if it is more than `maxBytes`. */
  release(maxBytes: number): void {
    const chunks = this.#group?.chunks ?? [];
    for (const chunk of chunks) chunk.release(maxBytes / chunks.length);
  }

  async #read(index: number, from: number, count: number): Promise<ColumnValues[]> {
    const group = this.#footer.groups[index];
    if (this.#group?.index !== index) {
      this.#group = { index, chunks: group === undefined ? [] : this.#open(group) };
    }
    const { chunks } = this.#group;
    const [only] = chunks;
    if (this.#column.shape !== 'nested') return only === undefined ? [] : only.rows(from, count);
    const leaves: DecodedArray[] = [];
    for (const chunk of chunks) leaves.push(joinValues(await chunk.rows(from, count)) as DecodedArray);
    return [this.#assembled(leaves)];
  }

  #open(group: RowGroup): ChunkStream[] {
    const { shape, leaves } = this.#column;
    return this.#leaves.map((leaf, index) => {
      const chunk = group.chunks[leaves[index] ?? -1];
      if (chunk === undefined) throw new SconceError('internal', 'a row group lacks a column');
      return new ChunkStream(this.#source, { leaf, chunk, shape, rows: group.rows });
    });
  }

  /** Structs, maps and lists of lists, from the rows of their leaves. */
  #assembled(leaves: readonly DecodedArray[]): ColumnValues {
    const { tree } = this.#column;
    const parts = new Map(this.#leaves.map((leaf, index) => [leaf.path.join('.'), leaves[index] ?? []]));
    assembleNested(parts, tree, DEFAULT_PARSERS);
    const rows = parts.get(tree.path.join('.'));
    if (rows === undefined) throw new PageProblem('its parts do not match');
    return Array.from(rows as ArrayLike<unknown>, withNull);
  }

  #groupOf(row: number): number {
    const { groups } = this.#footer;
    let low = 0;
    let high = groups.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((groups[middle]?.firstRow ?? 0) <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #explained(error: unknown, at: { readonly index: number; readonly first: number; readonly last: number }): unknown {
    if (error instanceof SconceError) return error;
    const where = `column ${shown(this.#column.name)}, rows ${at.first} to ${at.last} (row group ${at.index})`;
    const advice = error instanceof PageProblem ? error.advice : undefined;
    const why = error instanceof Error ? error.message : String(error);
    return datasetError(
      advice === undefined
        ? `The Parquet file is damaged in ${where}: ${why}. Write it again.`
        : `The Parquet file cannot be read in ${where}: ${why}. ${advice}`,
      { cause: error },
    );
  }
}

/** hyparquet gives undefined for lists and maps that are null. */
function withNull(value: unknown): unknown {
  if (value === undefined) return null;
  return Array.isArray(value) ? value.map(withNull) : value;
}
