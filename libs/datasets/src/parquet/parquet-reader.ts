import type { OpenByteSource } from '@sconce/storage';
import { SconceError } from '@sconce/errors';
import { DATATYPE_BYTES } from '@sconce/tensor';
import type {
  ChunkSize,
  DatasetColumn,
  DatasetPosition,
  DatasetReader,
  PlannedChunk,
  ReadOptions,
} from '../dataset-reader.ts';
import { planRows } from '../plan-rows.ts';
import type { ColumnValues, RowBlock } from '../row-block.ts';
import { ColumnStream } from './column-stream.ts';
import { readFooter, type ParquetFooter } from './parquet-footer.ts';
import type { ParquetColumn } from './parquet-schema.ts';
import { piece } from './value-runs.ts';

/** Decoded values of all columns that are in memory at a time. */
const SPAN_BYTES = 4 * 1024 ** 2;
/** Memory that columns may keep between spans: bytes that were read ahead, dictionaries, rows that were not requested yet. */
const HELD_BYTES = 4 * 1024 ** 2;
/** Columns that are read concurrently. */
const AT_ONCE = 4;
/** Memory of a list, or of a value that is not a number in addition to its bytes. */
const OBJECT_BYTES = 40;
const LIST_BYTES = 120;

/**
 * Opens a Parquet file. Columns that no tensor can store (dates, decimals, structs, …) have no datatype; their values are exact
 * (`ExactType`).
 * Byte arrays without an annotation are text if they are valid UTF-8, else bytes.
 *
 * @throws SconceError `invalid_dataset` if the file is not a Parquet file, is cut off, damaged or encrypted, or has two columns with the
 * same name.
 */
export async function openParquet(source: OpenByteSource): Promise<DatasetReader> {
  const footer = await readFooter(source);
  return {
    columns: footer.columns.map(describe),
    closed: true,
    rows: footer.rows,
    start: { row: 0, offset: 0 },
    plan: (from, size) => Promise.resolve(planParquet(footer, from, size)),
    read: (options) => readRows(source, footer, options),
    [Symbol.asyncDispose]: () => source.close(),
  };
}

function describe({ name, datatype, list, exact, nested }: ParquetColumn): DatasetColumn {
  return {
    name,
    datatype,
    list,
    ...(exact === undefined ? {} : { exact }),
    ...(nested === undefined ? {} : { nested }),
  };
}

/** A chunk ends with a row group if it then has at least half of the wanted rows: fewer column chunks are read twice. */
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
  const byName = new Map(footer.columns.map((column) => [column.name, column]));
  const wanted = columns.map((name) => {
    const column = byName.get(name);
    if (column === undefined) throw new SconceError('internal', `the file has no column "${name}"`);
    return column;
  });
  const end = range.firstRow + range.rows;
  if (end > footer.rows)
    throw new SconceError('internal', `rows up to ${end} were requested, and the file has ${footer.rows}`);
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

/** Rows whose values need about SPAN_BYTES, in whole blocks. */
function rowsOfSpan(footer: ParquetFooter, columns: readonly ParquetColumn[], blockRows: number): number {
  const bytes = columns.reduce((sum, column) => sum + decodedBytes(footer, column), 0);
  return Math.max(1, Math.floor(SPAN_BYTES / Math.max(1, bytes) / blockRows)) * blockRows;
}

/** Average memory of a row of a column, in the row group where it is largest. */
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
