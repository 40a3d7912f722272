import type { OpenByteSource } from '@sconce/storage';
import { SconceError } from '@sconce/errors';
import { DATATYPE_BYTES } from '@sconce/tensor';
import type { ChunkSize, DatasetPosition, DatasetReader, PlannedChunk, ReadOptions } from '../dataset-reader.ts';
import { planRows } from '../plan-rows.ts';
import type { ColumnValues, RowBlock } from '../row-block.ts';
import { ColumnStream } from './column-stream.ts';
import { readFooter, type ParquetFooter } from './parquet-footer.ts';
import type { ParquetColumn } from './parquet-schema.ts';
import { piece } from './value-runs.ts';

/** Values of all columns that are held at a time, decoded. */
const SPAN_BYTES = 4 * 1024 ** 2;
/** What columns may hold between spans: bytes read ahead, dictionaries, rows that are not wanted yet. */
const HELD_BYTES = 4 * 1024 ** 2;
/** Columns that are read at the same time. */
const AT_ONCE = 4;
/** A value that is no number, beside its own bytes; a list. */
const OBJECT_BYTES = 40;
const LIST_BYTES = 120;

/**
 * Opens a Parquet file. Columns that no tensor can hold (dates, decimals, structs, …) have no datatype; their values are what hyparquet
 * makes of them. Byte arrays without an annotation are text where they are valid UTF-8, else bytes.
 *
 * @throws SconceError `invalid_dataset` for what is no Parquet file, is cut off, damaged or encrypted, or has two columns of one name.
 */
export async function openParquet(source: OpenByteSource): Promise<DatasetReader> {
  const footer = await readFooter(source);
  return {
    columns: footer.columns.map(({ name, datatype, list }) => ({
      name,
      ...(datatype === undefined ? {} : { datatype }),
      ...(list === undefined ? {} : { list }),
    })),
    closed: true,
    rows: footer.rows,
    start: { row: 0, offset: 0 },
    plan: (from, size) => Promise.resolve(planParquet(footer, from, size)),
    read: (options) => readRows(source, footer, options),
    [Symbol.asyncDispose]: () => source.close(),
  };
}

/** Chunks end with a row group where that leaves them at least half as long: then fewer column chunks are read twice. */
function planParquet(footer: ParquetFooter, from: DatasetPosition, size: ChunkSize): PlannedChunk {
  const planned = planRows(from, { size, rows: footer.rows, rowBytes: footer.rowBytes });
  const { chunk, last } = planned;
  if (chunk === undefined || last) return planned;
  const end = from.row + chunk.rows;
  const boundary = footer.groups.findLast(({ firstRow }) => firstRow <= end)?.firstRow ?? 0;
  const rows = boundary - from.row;
  if (rows < chunk.rows / 2 || rows === 0 || rows % size.multipleOf !== 0) return planned;
  return { chunk: { ...chunk, rows }, next: { row: boundary, offset: 0 }, last };
}

async function* readRows(
  source: OpenByteSource,
  footer: ParquetFooter,
  { range, columns, blockRows }: ReadOptions,
): AsyncGenerator<RowBlock, void, undefined> {
  const wanted = columns.map((name) => {
    const column = footer.columns.find((own) => own.name === name);
    if (column === undefined) throw new SconceError('internal', `the file has no column "${name}"`);
    return column;
  });
  const end = range.firstRow + range.rows;
  if (end > footer.rows) throw new SconceError('internal', `rows to ${end} asked for of ${footer.rows}`);
  const streams = wanted.map((column) => new ColumnStream(source, footer, column));
  const spanRows = rowsOfSpan(footer, wanted, blockRows);
  for (let first = range.firstRow; first < end; first += spanRows) {
    const rows = Math.min(spanRows, end - first);
    const values = await readSpan(streams, first, rows);
    for (let done = 0; done < rows; done += blockRows) {
      const count = Math.min(blockRows, rows - done);
      yield {
        firstRow: first + done,
        rows: count,
        cells: { by: 'column', columns: values.map((own) => piece(own, done, done + count)) },
        problems: new Map(),
      };
    }
  }
}

async function readSpan(streams: readonly ColumnStream[], first: number, rows: number): Promise<ColumnValues[]> {
  const values: ColumnValues[] = [];
  for (let start = 0; start < streams.length; start += AT_ONCE) {
    const some = streams.slice(start, start + AT_ONCE).map(async (stream) => {
      const own = await stream.rows(first, rows);
      stream.release(HELD_BYTES / streams.length);
      return own;
    });
    values.push(...(await Promise.all(some)));
  }
  return values;
}

/** Rows whose values take about SPAN_BYTES: whole blocks. */
function rowsOfSpan(footer: ParquetFooter, columns: readonly ParquetColumn[], blockRows: number): number {
  const bytes = columns.reduce((sum, column) => sum + decodedBytes(footer, column), 0);
  return Math.max(1, Math.floor(SPAN_BYTES / Math.max(1, bytes) / blockRows)) * blockRows;
}

/** Memory that a row of a column takes, on the average of the row group where it takes most. */
function decodedBytes({ groups }: ParquetFooter, { datatype, shape, leaves }: ParquetColumn): number {
  let most = 1;
  for (const { rows, chunks } of groups) {
    let bytes = shape === 'flat' ? 0 : LIST_BYTES;
    for (const leaf of leaves) {
      const chunk = chunks[leaf];
      if (chunk === undefined) continue;
      const stored = chunk.uncompressedBytes / rows;
      const values = chunk.values / rows;
      const typed = datatype !== undefined && shape !== 'nested' ? DATATYPE_BYTES[datatype] : null;
      const plain = !chunk.noNulls || typed === null || datatype === 'BOOL' || datatype === 'FP16';
      bytes += plain ? stored + values * OBJECT_BYTES : Math.max(stored, values * Math.max(4, typed));
    }
    most = Math.max(most, bytes);
  }
  return most;
}
