import { SconceError } from '@sconce/errors';
import type { OpenByteSource } from '@sconce/storage';
import { datasetError, placesOf } from '../dataset-error.ts';
import type {
  ChunkRange,
  ChunkSize,
  DatasetPosition,
  DatasetReader,
  PlannedChunk,
  ReadOptions,
} from '../dataset-reader.ts';
import { joinValues, piece } from '../parquet/value-runs.ts';
import { planRows } from '../plan-rows.ts';
import type { ColumnValues, RowBlock } from '../row-block.ts';
import { openArrowSource, type OpenedArrow } from './arrow-file.ts';
import type { ArrowField } from './arrow-schema.ts';
import { StreamWalk, type Batch, type BatchIndex } from './batch-index.ts';
import { DictionaryValues, dictionaryFields } from './dictionaries.ts';
import { MessageSource } from './message-source.ts';
import { OpenBatch } from './open-batch.ts';

/** Values of all columns that are in memory at a time. */
const SPAN_BYTES = 16 * 1024 ** 2;
/** Batches that are read concurrently. */
const AT_ONCE = 4;

/**
 * Opens an Arrow IPC file or stream (also Feather version 2). A file names all its batches. The batches of a stream are found while it is
 * planned: there a chunk's `offset` is the message in which the chunk begins, and its `length` is the number of rows of that message before
 * the chunk. Dates, structs and other values that no tensor can store have no datatype.
 *
 * @throws SconceError `invalid_dataset` if it is neither, is cut off or damaged, or has two columns with the same name.
 */
export async function openArrow(source: OpenByteSource): Promise<DatasetReader> {
  const opened = await openArrowSource(source);
  const dictionaries = new DictionaryValues(source, opened.schema.fields);
  return {
    columns: opened.schema.columns,
    closed: true,
    ...(opened.kind === 'file' ? { rows: opened.index.rows } : {}),
    start: { row: 0, offset: opened.kind === 'file' ? 0 : opened.start },
    plan: (from, size) =>
      opened.kind === 'file'
        ? planFile(opened.index, { from, size, bytes: source.size })
        : planStream(opened, from, size),
    read: (options) => readRows(source, opened, { ...options, dictionaries }),
    [Symbol.asyncDispose]: () => source.close(),
  };
}

function planFile(
  index: BatchIndex,
  { from, size, bytes }: { readonly from: DatasetPosition; readonly size: ChunkSize; readonly bytes: number },
): Promise<PlannedChunk> {
  const rowBytes = bytes / Math.max(1, index.rows);
  const planned = planRows(from, { size, rows: index.rows, rowBytes });
  return Promise.resolve(atBatchEnd(index, planned, size));
}

async function planStream(
  { walk, start }: Extract<OpenedArrow, { kind: 'stream' }>,
  from: DatasetPosition,
  size: ChunkSize,
): Promise<PlannedChunk> {
  const { index } = walk;
  // One row more shows whether the chunk is the last one.
  await walk.toRow(from.row + size.rows + 1);
  const rowBytes = (walk.next - start) / Math.max(1, index.rows);
  const rows = walk.ended ? index.rows : Infinity;
  const { chunk, next, last } = atBatchEnd(index, planRows(from, { size, rows, rowBytes }), size);
  if (chunk === undefined) return { next, last };
  const batch = index.find(chunk.firstRow);
  if (batch === undefined) throw new SconceError('internal', `there is no batch with row ${chunk.firstRow}`);
  return {
    chunk: { ...chunk, offset: batch.offset, length: chunk.firstRow - batch.firstRow },
    next: { row: next.row, offset: index.find(next.row)?.offset ?? walk.next },
    last,
  };
}

/** A chunk ends with a batch if it then has at least half of the wanted rows: fewer batches are read twice. */
function atBatchEnd(index: BatchIndex, planned: PlannedChunk, { multipleOf }: ChunkSize): PlannedChunk {
  const { chunk, next, last } = planned;
  if (chunk === undefined || last) return planned;
  const row = index.find(next.row)?.firstRow ?? next.row;
  const rows = row - chunk.firstRow;
  if (rows < chunk.rows / 2 || rows <= 0 || rows % multipleOf !== 0) return planned;
  return { chunk: { ...chunk, rows }, next: { row, offset: next.offset }, last };
}

async function* readRows(
  source: OpenByteSource,
  opened: OpenedArrow,
  { range, columns, blockRows, dictionaries }: ReadOptions & { readonly dictionaries: DictionaryValues },
): AsyncGenerator<RowBlock, void, undefined> {
  const { fields } = opened.schema;
  const places = placesOf(fields.map(({ name }) => name));
  const wanted = columns.map((name) => {
    const at = places.get(name);
    if (at === undefined) throw new SconceError('internal', `the file has no column "${name}"`);
    return at;
  });
  const end = range.firstRow + range.rows;
  const index = await indexOf(source, opened, { range, fields: wanted.flatMap((at) => fields[at] ?? []) });
  if (end > index.rows) throw datasetError(`The Arrow file has ${index.rows} rows; rows up to ${end} were requested.`);
  const messages = new MessageSource(source);
  const batches = new LastBatch((batch) =>
    OpenBatch.open(
      {
        source,
        messages,
        dictionaries: (id) => dictionaries.valuesOf(id, index.dictionaries.slice(0, batch.dictionaries)),
      },
      batch,
      { fields, wanted },
    ),
  );
  for (let first = range.firstRow; first < end;) {
    const { rowBytes } = await batches.get(batchAt(index, first));
    const span = Math.max(1, Math.floor(SPAN_BYTES / Math.max(1, rowBytes) / blockRows)) * blockRows;
    const rows = Math.min(span, end - first);
    const values = await readSpan(index, batches, { first, rows, columns: wanted.length });
    for (let done = 0; done < rows; done += blockRows) {
      const count = Math.min(blockRows, rows - done);
      yield {
        firstRow: first + done,
        rows: count,
        cells: { by: 'column', columns: values.map((own) => piece(own, done, done + count)) },
        problems: new Map(),
      };
    }
    first += rows;
  }
}

/** The batches of a range. For a stream, the walk starts at the range's message, unless dictionaries before it are needed. */
async function indexOf(
  source: OpenByteSource,
  opened: OpenedArrow,
  { range, fields }: { readonly range: ChunkRange; readonly fields: readonly ArrowField[] },
): Promise<BatchIndex> {
  if (opened.kind === 'file') return opened.index;
  const end = range.firstRow + range.rows;
  const known = opened.walk.index.rows >= end || range.offset === 0 || [...dictionaryFields(fields)].length > 0;
  const walk = known
    ? opened.walk
    : new StreamWalk(source, {
        offset: range.offset,
        row: range.firstRow - range.length,
        fields: opened.schema.fields,
      });
  await walk.toRow(end);
  return walk.index;
}

function batchAt(index: BatchIndex, row: number): Batch {
  const batch = index.find(row);
  if (batch === undefined) throw new SconceError('internal', `there is no batch with row ${row}`);
  return batch;
}

async function readSpan(
  index: BatchIndex,
  batches: LastBatch,
  { first, rows, columns }: { readonly first: number; readonly rows: number; readonly columns: number },
): Promise<ColumnValues[]> {
  const end = first + rows;
  const parts: ColumnValues[][] = [];
  for (let row = first; row < end;) {
    const some: Promise<ColumnValues[]>[] = [];
    while (row < end && some.length < AT_ONCE) {
      const batch = batchAt(index, row);
      const from = row;
      row = Math.min(end, batch.firstRow + batch.rows);
      const to = row;
      some.push(batches.get(batch).then((open) => open.read(from, to)));
    }
    parts.push(...(await Promise.all(some)));
  }
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  return Array.from({ length: columns }, (_, column) => joinValues(parts.map((part) => part[column] ?? [])));
}

/** Keeps the last opened batch, because the next rows are mostly in it. */
class LastBatch {
  readonly #open: (batch: Batch) => Promise<OpenBatch>;
  #last: { readonly offset: number; readonly batch: Promise<OpenBatch> } | undefined;

  constructor(open: (batch: Batch) => Promise<OpenBatch>) {
    this.#open = open;
  }

  get(batch: Batch): Promise<OpenBatch> {
    if (this.#last?.offset !== batch.offset) this.#last = { offset: batch.offset, batch: this.#open(batch) };
    return this.#last.batch;
  }
}
