import type { OpenByteSource } from '@sconce/storage';
import { DATATYPE_BYTES, viewOf } from '@sconce/tensor';
import { datasetError } from '../dataset-error.ts';
import type { DatasetReader, ReadOptions } from '../dataset-reader.ts';
import { planRows } from '../plan-rows.ts';
import type { ColumnValues, RowBlock } from '../row-block.ts';
import { readNpyHeader, type NpyHeader } from './npy-header.ts';

/** Name of the only column of a `.npy` file. */
export const NPY_COLUMN = 'data';

/** Opens a `.npy` file. Axis 0 has the rows; the rest of each row is the only column, `data`. */
export async function openNpy(source: OpenByteSource): Promise<DatasetReader> {
  const header = await readNpyHeader(source);
  const [rows, ...rowShape] = header.shape;
  if (rows === undefined)
    throw datasetError('The .npy file has a single value; expected an array whose axis 0 has the rows.');
  const width = rowShape.reduce((product, size) => product * size, 1);
  const list = rowShape.length === 0 ? undefined : width;
  return {
    columns: [{ name: NPY_COLUMN, datatype: header.datatype, list }],
    closed: true,
    rows,
    start: { row: 0, offset: 0 },
    plan: (from, size) =>
      Promise.resolve(planRows(from, { size, rows, rowBytes: width * DATATYPE_BYTES[header.datatype] })),
    read: (options) => readRows(source, header, options),
    [Symbol.asyncDispose]: () => source.close(),
  };
}

async function* readRows(
  source: OpenByteSource,
  { datatype, shape, dataOffset }: NpyHeader,
  { range, columns, blockRows }: ReadOptions,
): AsyncGenerator<RowBlock, void, undefined> {
  const rowShape = shape.slice(1);
  const width = rowShape.reduce((product, size) => product * size, 1);
  const rowBytes = width * DATATYPE_BYTES[datatype];
  for (let done = 0; done < range.rows; done += blockRows) {
    const rows = Math.min(blockRows, range.rows - done);
    const firstRow = range.firstRow + done;
    const data = await source.read(dataOffset + firstRow * rowBytes, rows * rowBytes);
    const elements = viewOf({ name: NPY_COLUMN, datatype, shape: [rows * width], data }) as ColumnValues & Rows;
    const values = rowShape.length === 0 ? elements : listsOf(elements, { rows, width });
    yield {
      firstRow,
      rows,
      cells: { by: 'column', columns: columns.map(() => values) },
      problems: new Map(),
    };
  }
}

interface Rows {
  subarray(from: number, to: number): ColumnValues;
}

function listsOf(elements: Rows, { rows, width }: { rows: number; width: number }): ColumnValues[] {
  return Array.from({ length: rows }, (_, row) => elements.subarray(row * width, (row + 1) * width));
}
