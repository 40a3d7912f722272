import {
  Bool,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  List,
  Uint16,
  Uint32,
  Uint64,
  Uint8,
  Utf8,
  type DataType,
} from 'apache-arrow';
import { SconceError } from '@sconce/errors';
import { elementsOf, type ElementArray } from '../mapping/element-writers.ts';
import type { OutputValues } from '../output/output-encoder.ts';
import { widthOf, type ColumnDatatype, type OutputColumn } from '../output/output-mapping.ts';
import { exactColumn, type ExactColumn } from './exact-columns.ts';
import { CONVERTERS, elementsOfList, isMissing } from '../parquet/plain-values.ts';

/** A column of results in Arrow. */
export interface BatchColumn {
  readonly field: Field;
  readonly datatype: ColumnDatatype;
  readonly nullable: boolean;
  /** Elements of each list; -1 if lists differ; absent if values are not lists. */
  readonly list?: number;
  /** Present if the values, or the elements of the lists, have an exact type. */
  readonly exact?: ExactColumn | undefined;
}

/** Values of a column, or of the elements of its lists: their number and their buffers. */
export interface StoredNode {
  readonly length: number;
  readonly nulls: number;
  readonly buffers: readonly Uint8Array[];
}

const NONE = new Uint8Array(0);

const TYPES: Readonly<Record<ColumnDatatype, () => DataType>> = {
  BOOL: () => new Bool(),
  INT8: () => new Int8(),
  INT16: () => new Int16(),
  INT32: () => new Int32(),
  INT64: () => new Int64(),
  UINT8: () => new Uint8(),
  UINT16: () => new Uint16(),
  UINT32: () => new Uint32(),
  UINT64: () => new Uint64(),
  FP32: () => new Float32(),
  FP64: () => new Float64(),
  BYTES: () => new Utf8(),
  JSON: () => new Utf8(),
};

/** How a column is stored: outputs are never null, passed columns may be; a value with a shape is a flat list of its elements. */
export function batchColumn(column: OutputColumn): BatchColumn {
  const { name, datatype, rowShape, source } = column;
  const nullable = source.kind === 'column';
  const exact = exactColumn(column.exact);
  const type = exact?.type ?? TYPES[datatype]();
  const metadata = new Map(exact?.metadata);
  if (rowShape.length === 0) return { field: new Field(name, type, nullable, metadata), datatype, nullable, exact };
  const element = new Field('item', type, nullable, metadata);
  const width = widthOf(column);
  // Readers disagree about lists that are always empty.
  const list = width > 0 ? width : -1;
  const listType = list > 0 ? new FixedSizeList(list, element) : new List(element);
  return { field: new Field(name, listType, nullable), datatype, nullable, list, exact };
}

/** The nodes of a column, from the values of its blocks: first its own node, then the node of its elements. */
export function storedNodes(column: BatchColumn, pieces: readonly OutputValues[], rows: number): StoredNode[] {
  const { list, datatype } = column;
  const typed = typedPieces(pieces);
  if (list === undefined) {
    if (typed !== undefined) return [typedNode(datatype, typed)];
    const values = pieces.flatMap((piece) =>
      piece.kind === 'values' ? piece.values : Array.from<unknown>(piece.elements),
    );
    return [valueNode(column, values)];
  }
  if (list < 0 || typed === undefined) return listNodes(column, pieces, rows);
  return [{ length: rows, nulls: 0, buffers: [NONE] }, typedNode(datatype, typed)];
}

/** The arrays of all pieces, if all pieces have one. */
function typedPieces(pieces: readonly OutputValues[]): ElementArray[] | undefined {
  const typed = pieces.flatMap((piece) => (piece.kind === 'elements' ? [piece.elements] : []));
  return typed.length === pieces.length ? typed : undefined;
}

function listNodes(column: BatchColumn, pieces: readonly OutputValues[], rows: number): StoredNode[] {
  const { list = -1 } = column;
  const elements: unknown[] = [];
  const offsets = new Int32Array(rows + 1);
  const valid = new Uint8Array(rows);
  let row = 0;
  for (const value of rowsOf(pieces)) {
    const own = isMissing(value) ? [] : elementsOfList(value);
    for (const [, element] of own.entries()) elements.push(element);
    if (!isMissing(value)) valid[row] = 1;
    // A list of a known width needs its space even if it is null.
    else if (list > 0) for (let index = 0; index < list; index++) elements.push(null);
    row += 1;
    offsets[row] = elements.length;
    if (list > 0 && elements.length !== row * list) {
      throw new SconceError('internal', `a list has ${own.length} elements; expected ${list}`);
    }
  }
  const validity = bitmapOf(valid);
  const buffers = list > 0 ? [validity.bits] : [validity.bits, bytesOf(offsets)];
  return [{ length: rows, nulls: validity.nulls, buffers }, valueNode(column, elements)];
}

function* rowsOf(pieces: readonly OutputValues[]): Generator<unknown, void, undefined> {
  for (const piece of pieces) {
    if (piece.kind === 'values') {
      yield* piece.values;
      continue;
    }
    const { elements, width } = piece;
    const rows = width === 0 ? 0 : elements.length / width;
    for (let row = 0; row < rows; row++) yield elements.subarray(row * width, (row + 1) * width);
  }
}

function typedNode(datatype: ColumnDatatype, arrays: readonly ElementArray[]): StoredNode {
  const data = Buffer.concat(arrays.map(bytesOf));
  const length = arrays.reduce((sum, own) => sum + own.length, 0);
  return { length, nulls: 0, buffers: [NONE, datatype === 'BOOL' ? bitmapOf(data, true).bits : data] };
}

/** Any values, including nulls. */
function valueNode({ datatype, exact }: BatchColumn, values: readonly unknown[]): StoredNode {
  const { bits, nulls } = bitmapOf(Uint8Array.from(values, (value) => (isMissing(value) ? 0 : 1)));
  const { length } = values;
  if (exact !== undefined) return { length, nulls, buffers: [bits, ...exact.buffers(values)] };
  const convert = CONVERTERS[datatype];
  if (datatype === 'BYTES' || datatype === 'JSON') {
    const texts = values.map((value) => (isMissing(value) ? '' : String(convert(value))));
    return { length, nulls, buffers: [bits, ...textBuffers(texts)] };
  }
  const out = elementsOf(datatype, length);
  for (const [index, value] of values.entries()) {
    if (!isMissing(value)) (out as Float64Array)[index] = convert(value) as number;
  }
  return { length, nulls, buffers: [bits, datatype === 'BOOL' ? bitmapOf(bytesOf(out), true).bits : bytesOf(out)] };
}

function textBuffers(texts: readonly string[]): [Uint8Array, Uint8Array] {
  const offsets = new Int32Array(texts.length + 1);
  let bytes = 0;
  for (const [index, text] of texts.entries()) {
    bytes += Buffer.byteLength(text);
    offsets[index + 1] = bytes;
  }
  const data = Buffer.alloc(bytes);
  for (const [index, text] of texts.entries()) data.write(text, offsets[index] ?? 0);
  return [bytesOf(offsets), data];
}

/** A bitmap of the bytes that are not 0; empty if no byte is 0, unless the bits are `needed`. */
function bitmapOf(bytes: Uint8Array, needed = false): { readonly bits: Uint8Array; readonly nulls: number } {
  const bits = new Uint8Array(Math.ceil(bytes.length / 8));
  let nulls = 0;
  for (const [index, byte] of bytes.entries()) {
    if (byte === 0) nulls += 1;
    else bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
  }
  return { bits: nulls === 0 && !needed ? NONE : bits, nulls };
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
