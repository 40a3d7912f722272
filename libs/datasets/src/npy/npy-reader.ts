import type { OpenByteSource } from '@sconce/storage';
import { DATATYPE_BYTES, viewOf } from '@sconce/tensor';
import { datasetError } from '../dataset-error.ts';
import type { DatasetReader, ReadOptions } from '../dataset-reader.ts';
import { planRows } from '../plan-rows.ts';
import type { ColumnValues, RowBlock } from '../row-block.ts';
import { readNpyHeader, type NpyHeader } from './npy-header.ts';

/** Name of the only column of a `.npy` file. */
export const NPY_COLUMN = 'data';

/** Most elements of a row in Fortran order: each is a read of its own. */
const MAX_FORTRAN_WIDTH = 4_096;

/** Opens a `.npy` file. Axis 0 has the rows; the rest of each row is the only column, `data`. */
export async function openNpy(source: OpenByteSource): Promise<DatasetReader> {
  const header = await readNpyHeader(source);
  const [rows, ...rowShape] = header.shape;
  if (rows === undefined)
    throw datasetError('The .npy file has a single value; expected an array whose axis 0 has the rows.');
  const width = rowShape.reduce((product, size) => product * size, 1);
  const list = rowShape.length === 0 ? undefined : width;
  if (header.isFortran && width > MAX_FORTRAN_WIDTH) {
    throw datasetError(
      `The .npy file is in Fortran order, and its rows have more than ${MAX_FORTRAN_WIDTH} elements: save numpy.ascontiguousarray(x).`,
    );
  }
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
  header: NpyHeader,
  { range, columns, blockRows }: ReadOptions,
): AsyncGenerator<RowBlock, void, undefined> {
  const { datatype, shape } = header;
  const rowShape = shape.slice(1);
  const width = rowShape.reduce((product, size) => product * size, 1);
  const rowBytes = width * DATATYPE_BYTES[datatype];
  const whole = header.isFortran ? await readFortran(source, header, range) : undefined;
  for (let done = 0; done < range.rows; done += blockRows) {
    const rows = Math.min(blockRows, range.rows - done);
    const firstRow = range.firstRow + done;
    const data =
      whole?.subarray(done * rowBytes, (done + rows) * rowBytes) ??
      littleEndian(await source.read(header.dataOffset + firstRow * rowBytes, rows * rowBytes), header);
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

/** Elements of a row in Fortran order are far apart: each is read for all rows of the chunk at once. Returns the rows one after the other. */
async function readFortran(
  source: OpenByteSource,
  header: NpyHeader,
  { firstRow, rows }: ReadOptions['range'],
): Promise<Uint8Array> {
  const { datatype, shape, dataOffset } = header;
  const [allRows = 0, ...rowShape] = shape;
  const bytes = DATATYPE_BYTES[datatype];
  const width = rowShape.reduce((product, size) => product * size, 1);
  const out = new Uint8Array(rows * width * bytes);
  for (let place = 0; place < width; place += 1) {
    const at = dataOffset + (fortranPlace(place, rowShape) * allRows + firstRow) * bytes;
    const column = await source.read(at, rows * bytes);
    for (let row = 0; row < rows; row += 1) {
      const to = (row * width + place) * bytes;
      for (let byte = 0; byte < bytes; byte += 1) out[to + byte] = column[row * bytes + byte] ?? 0;
    }
  }
  return littleEndian(out, header);
}

/** The place in Fortran order of the element that has this place in C order. */
function fortranPlace(place: number, shape: readonly number[]): number {
  let rest = place;
  let found = 0;
  let step = shape.reduce((product, size) => product * size, 1);
  for (const size of shape.toReversed()) {
    step /= size;
    found += (rest % size) * step;
    rest = Math.floor(rest / size);
  }
  return found;
}

/** A copy in the byte order of tensors, or the data itself if they have it. */
function littleEndian(data: Uint8Array, { datatype, isBigEndian }: NpyHeader): Uint8Array {
  const bytes = DATATYPE_BYTES[datatype];
  if (!isBigEndian || bytes === 1) return data;
  const copy = Buffer.from(data);
  return bytes === 2 ? copy.swap16() : bytes === 4 ? copy.swap32() : copy.swap64();
}

interface Rows {
  subarray(from: number, to: number): ColumnValues;
}

function listsOf(elements: Rows, { rows, width }: { rows: number; width: number }): ColumnValues[] {
  return Array.from({ length: rows }, (_, row) => elements.subarray(row * width, (row + 1) * width));
}
