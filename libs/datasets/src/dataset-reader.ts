import type { OpenByteSource } from '@sconce/storage';
import type { Datatype } from '@sconce/tensor';
import type { RowBlock } from './row-block.ts';

/** A column as the file describes it. */
export interface DatasetColumn {
  readonly name: string;
  /** Of a value or, where `list`, of its elements; absent where the format does not say (CSV and JSONL: text or JSON). */
  readonly datatype?: Datatype;
  /** Values are lists: their length where it is the same in every row, else -1. */
  readonly list?: number;
}

/** Where in the dataset a chunk may begin. Text: a byte; other formats: a row alone. */
export interface DatasetPosition {
  /** 0-based number of the next row. */
  readonly row: number;
  /** Byte at which its record begins; 0 where the format has rows at fixed places. */
  readonly offset: number;
}

/** A range of rows: what one queue job scores. */
export interface ChunkRange {
  readonly firstRow: number;
  readonly rows: number;
  /** Bytes of the range in a text file; 0 and 0 for other formats. */
  readonly offset: number;
  readonly length: number;
}

/** How much a chunk should hold. */
export interface ChunkSize {
  /** Wanted rows; a multiple of `multipleOf`. */
  readonly rows: number;
  /** The chunk's rows are a multiple of this, but for the dataset's last chunk. */
  readonly multipleOf: number;
  /** Bytes of input after which a chunk ends, though it has fewer rows: at the next multiple. */
  readonly maxBytes: number;
}

/** A chunk and where the next one begins. */
export interface PlannedChunk {
  /** Absent where no rows were left. */
  readonly chunk?: ChunkRange;
  readonly next: DatasetPosition;
  /** Whether the dataset ends here. */
  readonly last: boolean;
}

/** Which rows of a chunk, and what of them, is to be read. */
export interface ReadOptions {
  readonly range: ChunkRange;
  /** Columns wanted, by name. */
  readonly columns: readonly string[];
  /** Those of `columns` that become an FP32 tensor, one element each, in order: a reader may give them as such (`RowBlock.numbers`). */
  readonly numbers?: readonly string[] | undefined;
  /** Rows of a block, but for the chunk's last one. Blocks of one dataset always begin at multiples of it. */
  readonly blockRows: number;
}

/** A dataset opened for reading: its columns, chunks without reading all of it, and the rows of a chunk. */
export interface DatasetReader extends AsyncDisposable {
  /** In the file's order. For JSONL those of its first rows: others may follow. */
  readonly columns: readonly DatasetColumn[];
  /** Whether `columns` are all there are. */
  readonly closed: boolean;
  /** Number of rows, where the format says. */
  readonly rows?: number;
  readonly start: DatasetPosition;
  /** The next chunk. Reads no further than its end. @throws SconceError `invalid_dataset`, `storage_unavailable`. */
  plan(from: DatasetPosition, size: ChunkSize): Promise<PlannedChunk>;
  /** The rows of a chunk, block by block. @throws SconceError `invalid_dataset`, `storage_unavailable`. */
  read(options: ReadOptions): AsyncIterable<RowBlock>;
}

/** Opens one format. Owns the source: closing the reader closes it. */
export type OpenReader<Options> = (source: OpenByteSource, options: Options) => Promise<DatasetReader>;
