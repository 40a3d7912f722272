import type { OpenByteSource } from '@sconce/storage';
import type { Datatype } from '@sconce/tensor';
import type { RowBlock } from './row-block.ts';
import type { ExactType } from './values/exact-value.ts';

/** A column as the file describes it. */
export interface DatasetColumn {
  readonly name: string;
  /** Datatype of a value or, with `list`, of its elements. Absent if the format has none (CSV and JSONL: text or JSON). */
  readonly datatype?: Datatype;
  /** Present if values are lists: the length of the lists, or -1 if the length differs between rows. */
  readonly list?: number;
  /** The type of values, or of the elements of lists, if no tensor has it. */
  readonly exact?: ExactType;
  /** Whether the lists contain lists. */
  readonly nested?: true;
  /** Why no value of the column can be read, if that is known from the description of the file. */
  readonly unreadable?: string;
}

/** A place in the dataset where a chunk may begin. Text formats need the byte, other formats only the row. */
export interface DatasetPosition {
  /** 0-based number of the next row. */
  readonly row: number;
  /** First byte of the row's record; 0 for formats that find rows by number. */
  readonly offset: number;
}

/** A range of rows. One queue job scores it. */
export interface ChunkRange {
  readonly firstRow: number;
  readonly rows: number;
  /** Bytes of the range in a text file; 0 and 0 for other formats. */
  readonly offset: number;
  readonly length: number;
}

/** The wanted size of a chunk. */
export interface ChunkSize {
  /** Wanted rows, a multiple of `multipleOf`. */
  readonly rows: number;
  /** The rows of every chunk are a multiple of this, except the last chunk of the dataset. */
  readonly multipleOf: number;
  /** A chunk with this many bytes of input ends at the next multiple, even if it has fewer rows than wanted. */
  readonly maxBytes: number;
}

/** A chunk and the beginning of the next one. */
export interface PlannedChunk {
  /** Absent if no rows are left. */
  readonly chunk?: ChunkRange;
  readonly next: DatasetPosition;
  /** Whether the dataset ends after this chunk. */
  readonly last: boolean;
}

/** Which rows and columns to read. */
export interface ReadOptions {
  readonly range: ChunkRange;
  /** Names of the columns to read. */
  readonly columns: readonly string[];
  /** The part of `columns` that becomes an FP32 tensor, in order, one element per column. A reader may return them as numbers (`RowBlock.numbers`). */
  readonly numbers?: readonly string[] | undefined;
  /** Rows of each block, except the last block of the chunk. Blocks of a dataset begin at multiples of it. */
  readonly blockRows: number;
}

/** An open dataset: its columns, its chunks (found without reading the whole dataset), and the rows of a chunk. */
export interface DatasetReader extends AsyncDisposable {
  /** In the file's order. For JSONL they are the fields of the first rows; later rows may have others. */
  readonly columns: readonly DatasetColumn[];
  /** Whether `columns` has all columns. */
  readonly closed: boolean;
  /** Number of rows, if the format stores it. */
  readonly rows?: number;
  readonly start: DatasetPosition;
  /** The next chunk. Does not read beyond its end. @throws SconceError `invalid_dataset`, `storage_unavailable`. */
  plan(from: DatasetPosition, size: ChunkSize): Promise<PlannedChunk>;
  /** The rows of a chunk in blocks. @throws SconceError `invalid_dataset`, `storage_unavailable`. */
  read(options: ReadOptions): AsyncIterable<RowBlock>;
}

/** Opens a file of one format. The reader owns the source: closing the reader closes the source. */
export type OpenReader<Options> = (source: OpenByteSource, options: Options) => Promise<DatasetReader>;
