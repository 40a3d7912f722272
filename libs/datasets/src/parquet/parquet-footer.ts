import { parquetMetadata } from 'hyparquet';
import { SconceError } from '@sconce/errors';
import type { ByteSource } from '@sconce/storage';
import { datasetError, shown } from '../dataset-error.ts';
import { ThriftReader } from './compact-thrift.ts';
import type { CompressionCodec, FileMetaData } from './hyparquet-parts.ts';
import { faultsOfWriter, type WriterFaults } from './writer-faults.ts';
import { readSchema, type Leaf, type ParquetColumn } from './parquet-schema.ts';

const MAGIC = 'PAR1';
const ENCRYPTED_MAGIC = 'PARE';
/** Bytes of the footer's length and of the magic after it. */
const TAIL_BYTES = 8;
const FIRST_READ_BYTES = 64 * 1024;
/** A footer of this size describes about 300 000 column chunks. */
const MAX_FOOTER_BYTES = 64 * 1024 ** 2;
/** FileMetaData.encryption_algorithm. */
const ENCRYPTION_FIELD = 8;

/** The position of the values of one column in one row group. */
export interface ColumnChunk {
  readonly start: number;
  readonly end: number;
  readonly values: number;
  readonly uncompressedBytes: number;
  readonly codec: CompressionCodec;
  /** Whether the file says that no value is null or missing. */
  readonly noNulls: boolean;
  readonly faults: WriterFaults;
}

/** A row group of the file: rows that are stored together. */
export interface RowGroup {
  readonly firstRow: number;
  readonly rows: number;
  /** In the order of the leaf columns. */
  readonly chunks: readonly ColumnChunk[];
}

/** The checked footer of a Parquet file. */
export interface ParquetFooter {
  readonly rows: number;
  readonly columns: readonly ParquetColumn[];
  readonly leaves: readonly Leaf[];
  /** The row groups that have rows. */
  readonly groups: readonly RowGroup[];
  /** Bytes of a row in all columns, before compression. */
  readonly rowBytes: number;
}

/** Reads and checks the footer. @throws SconceError `invalid_dataset` if the file is not a Parquet file, is cut off, damaged or encrypted. */
export async function readFooter(source: ByteSource): Promise<ParquetFooter> {
  const bytes = await footerBytes(source);
  try {
    const thrift = new ThriftReader(bytes.subarray(0, -TAIL_BYTES));
    if (thrift.check().has(ENCRYPTION_FIELD)) throw encrypted();
    return checkFooter(parquetMetadata(bytes, { geoparquet: false }), source.size - bytes.byteLength);
  } catch (error) {
    if (error instanceof SconceError) throw error;
    throw damaged('its footer cannot be read', error);
  }
}

function checkFooter(metadata: FileMetaData, dataEnd: number): ParquetFooter {
  const { columns, leaves } = readSchema(metadata);
  const faults = faultsOfWriter(metadata.created_by);
  const groups: RowGroup[] = [];
  let firstRow = 0;
  let bytes = 0;
  for (const [index, group] of metadata.row_groups.entries()) {
    const rows = Number(group.num_rows);
    if (!isCount(rows)) throw damaged(`row group ${index} should have ${rows} rows`);
    // Writers describe the columns of an empty row group differently.
    if (rows === 0) continue;
    if (group.columns.length !== leaves.length) {
      throw damaged(`row group ${index} has ${group.columns.length} columns, the schema ${leaves.length}`);
    }
    const chunks = leaves.map((leaf, at) => readChunk(group.columns[at], { leaf, index, rows, dataEnd, faults }));
    for (const chunk of chunks) bytes += chunk.uncompressedBytes;
    groups.push({ firstRow, rows, chunks });
    firstRow += rows;
  }
  const rows = Number(metadata.num_rows);
  if (rows !== firstRow) throw damaged(`its footer says ${rows} rows, and its row groups have ${firstRow}`);
  return { rows, columns, leaves, groups, rowBytes: rows === 0 ? 0 : bytes / rows };
}

/** Reads the bytes of the footer. */
async function footerBytes(source: ByteSource): Promise<Uint8Array> {
  const { size } = source;
  const head = text(await source.read(0, Math.min(4, size)));
  if (head !== MAGIC && head !== ENCRYPTED_MAGIC) {
    throw datasetError(`The file is not a Parquet file: it begins with ${shown(head)}, not ${shown(MAGIC)}.`);
  }
  if (size < 4 + TAIL_BYTES) throw cutOff(size);
  const length = Math.min(size - 4, FIRST_READ_BYTES);
  const end = await source.read(size - length, length);
  const tail = Buffer.from(end.buffer, end.byteOffset + length - TAIL_BYTES, TAIL_BYTES);
  const magic = tail.toString('latin1', 4);
  if (head === ENCRYPTED_MAGIC || magic === ENCRYPTED_MAGIC) throw encrypted();
  if (magic !== MAGIC) throw cutOff(size);
  const footer = tail.readUInt32LE(0);
  if (footer > size - 4 - TAIL_BYTES) {
    throw damaged(`its footer should have ${footer} bytes, and the file has ${size}`);
  }
  if (footer > MAX_FOOTER_BYTES) {
    throw datasetError(
      `The Parquet file's footer has ${footer} bytes; at most ${MAX_FOOTER_BYTES} are supported. Write the file with larger row groups or fewer columns, or several files.`,
    );
  }
  if (footer + TAIL_BYTES <= length) return end.subarray(length - footer - TAIL_BYTES);
  return source.read(size - footer - TAIL_BYTES, footer + TAIL_BYTES);
}

function readChunk(
  chunk: FileMetaData['row_groups'][number]['columns'][number] | undefined,
  at: { leaf: Leaf; index: number; rows: number; dataEnd: number; faults: WriterFaults },
): ColumnChunk {
  const { leaf, index, rows, dataEnd, faults } = at;
  const where = `column ${shown(leaf.path.join('.'))} of row group ${index}`;
  const meta = chunk?.meta_data;
  if (chunk === undefined || meta === undefined) throw damaged(`${where} is not described`);
  if (chunk.file_path !== undefined && chunk.file_path !== '') {
    throw datasetError(
      `The Parquet file stores ${where} in another file (${shown(chunk.file_path)}): write all columns into one file.`,
    );
  }
  if (meta.type !== leaf.type || meta.path_in_schema.join('\0') !== leaf.path.join('\0')) {
    throw damaged(`${where} is described as ${shown(meta.path_in_schema.join('.'))} of type ${String(meta.type)}`);
  }
  const dictionary = Number(meta.dictionary_page_offset ?? 0);
  const data = Number(meta.data_page_offset);
  const start = dictionary > 0 && dictionary < data ? dictionary : data;
  const end = start + Number(meta.total_compressed_size);
  const values = Number(meta.num_values);
  const uncompressedBytes = Number(meta.total_uncompressed_size);
  if (!(isCount(start) && isCount(end) && start >= MAGIC.length && end >= start && end <= dataEnd)) {
    throw damaged(`${where} should be at bytes ${start} to ${end}, and the data end at ${dataEnd}`);
  }
  if (!isCount(values) || !isCount(uncompressedBytes) || (leaf.maxRepetition === 0 ? values !== rows : values < rows)) {
    throw damaged(`${where} should have ${values} values for ${rows} rows`);
  }
  const noNulls = leaf.maxDefinition === 0 || Number(meta.statistics?.null_count ?? -1) === 0;
  return { start, end, values, uncompressedBytes, codec: meta.codec, noNulls, faults };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function cutOff(size: number): Error {
  return datasetError(
    `The Parquet file is cut off: it has ${size} bytes and does not end with ${shown(MAGIC)}. Send the whole file.`,
  );
}

function encrypted(): Error {
  return datasetError('The Parquet file is encrypted: write it without encryption.');
}

function damaged(what: string, cause?: unknown): Error {
  return datasetError(`The Parquet file is damaged: ${what}. Write it again.`, { cause });
}
