import type { ByteSource } from '@sconce/storage';
import type { ColumnValues } from '../row-block.ts';
import { ChunkBytes } from './chunk-bytes.ts';
import { openPage, readDictionary } from './page-data.ts';
import { PageProblem, type PageHeader } from './page-header.ts';
import type { Values } from './page-values.ts';
import type { ColumnChunk } from './parquet-footer.ts';
import type { ColumnShape, Leaf } from './parquet-schema.ts';
import { rowAssembler, type RowAssembler } from './row-assembly.ts';
import { piece } from './value-runs.ts';

/** Bytes to read ahead while rows are skipped. Pages have about this size, and one request is cheaper than one per header. */
const SKIP_AHEAD_BYTES = 1024 ** 2;
const MIN_AHEAD_BYTES = 32 * 1024;
const MAX_AHEAD_BYTES = 4 * 1024 ** 2;
/** Memory of a value that is not a number, in addition to its bytes. */
const OBJECT_BYTES = 40;

/** The position of a page in its chunk. */
interface Place {
  readonly offset: number;
  /** Numbers of the rows and values before it. */
  readonly row: number;
  readonly values: number;
}

/**
 * The rows of one column chunk, read in order, page by page. At most one page more than requested is decoded. Pages before the first
 * requested row are skipped, without decoding if their headers have the number of rows.
 *
 * It keeps the bytes that were read ahead, the dictionary, and the rows of the last page that were not requested yet. `release` drops them
 * if they are large. They are then read again, from the page in which the next row begins.
 */
export class ChunkStream {
  readonly #source: ByteSource;
  readonly #leaf: Leaf;
  readonly #chunk: ColumnChunk;
  readonly #rows: number;
  readonly #bytes: ChunkBytes;
  readonly #assembler: RowAssembler;
  #next: Place;
  /** Pages to start again from. The first is the page in which the next row begins. */
  #marks: Place[] = [];
  #wanted = 0;
  #ready: { readonly first: number; readonly values: ColumnValues; readonly bytes: number } | undefined;
  #dictionary: { readonly values: Values; readonly bytes: number } | undefined;
  #dictionaryAt: { readonly offset: number; readonly header: PageHeader } | undefined;

  constructor(
    source: ByteSource,
    column: { readonly leaf: Leaf; readonly chunk: ColumnChunk; readonly shape: ColumnShape; readonly rows: number },
  ) {
    this.#source = source;
    this.#leaf = column.leaf;
    this.#chunk = column.chunk;
    this.#rows = column.rows;
    this.#bytes = new ChunkBytes(source, column.chunk.end);
    this.#assembler = rowAssembler(column.shape, column.leaf);
    this.#next = { offset: column.chunk.start, row: 0, values: 0 };
  }

  /** Rows `from` to `from + count` of the row group. `from` must not be before the end of the previous request. */
  async rows(from: number, count: number): Promise<ColumnValues[]> {
    const pieces: ColumnValues[] = [];
    const end = from + count;
    this.#wanted = from;
    for (;;) {
      const ready = this.#ready;
      if (ready !== undefined && ready.first <= this.#wanted) {
        const to = Math.min(end, ready.first + ready.values.length);
        if (to > this.#wanted) pieces.push(piece(ready.values, this.#wanted - ready.first, to - ready.first));
        this.#wanted = Math.max(this.#wanted, to);
      }
      if (this.#wanted >= end) return pieces;
      this.#ready = undefined;
      await this.#advance(end);
    }
  }

  /** Releases its memory if it is more than `maxBytes`. */
  release(maxBytes: number): void {
    const held = (this.#ready?.bytes ?? 0) + (this.#dictionary?.bytes ?? 0);
    if (held + this.#bytes.held > maxBytes) this.#bytes.release();
    if (held <= maxBytes) return;
    this.#dictionary = undefined;
    this.#prune();
    const [mark] = this.#marks;
    if (mark === undefined) return;
    this.#next = mark;
    this.#marks = [];
    this.#ready = undefined;
    this.#assembler.reset();
  }

  /** Reads the next page. */
  async #advance(end: number): Promise<void> {
    const place = this.#next;
    const { offset, row, values } = place;
    if (values >= this.#chunk.values) {
      this.#finish();
      return;
    }
    if (offset >= this.#chunk.end) throw new PageProblem(`its pages end after value ${values}`);
    const ahead = this.#ahead(end - this.#wanted, this.#wanted - row);
    const header = await this.#bytes.header(offset, ahead);
    const behind = {
      offset: offset + header.headerBytes + header.compressedBytes,
      row,
      values: values + header.values,
    };
    if (header.kind === 'dictionary' || header.kind === 'index') {
      this.#next = { ...behind, values };
      if (header.kind === 'index') return;
      this.#dictionaryAt = { offset, header };
      // If pages are skipped first, the pages that are read may not need it.
      if (this.#wanted === row) await this.#readDictionary(this.#bytes, ahead);
      return;
    }
    if (behind.values > this.#chunk.values)
      throw new PageProblem('its pages have more values than its description says');
    this.#marks.push(place);
    this.#prune();
    const { faults } = this.#chunk;
    const pageRows = faults.wrongRows ? undefined : header.v2?.rows;
    const told = this.#leaf.maxRepetition === 0 ? header.values : pageRows;
    if (told !== undefined && row + told <= this.#wanted) {
      this.#assembler.reset();
      this.#next = { ...behind, row: row + told };
      return;
    }
    const page = openPage(this.#leaf, this.#chunk.codec, {
      header: faults.alwaysCompressed ? withCompression(header) : header,
      bytes: await this.#bytes.page(offset, header, ahead),
    });
    if ((told !== undefined && told !== page.rows) || row + page.rows > this.#rows) {
      throw new PageProblem('a page has another number of rows than its header says');
    }
    this.#next = { ...behind, row: row + page.rows };
    if (row + page.rows <= this.#wanted) {
      this.#assembler.reset();
      return;
    }
    // The window is behind the dictionary already, so the dictionary is read separately.
    const dictionary = header.encoding.endsWith('_DICTIONARY')
      ? await this.#readDictionary(new ChunkBytes(this.#source, this.#chunk.end), 0)
      : undefined;
    const first = row - (this.#assembler.open ? 1 : 0);
    this.#keep(first, this.#assembler.add(page.data(dictionary), pageRows !== undefined), header.uncompressedBytes);
  }

  #keep(first: number, values: ColumnValues, pageBytes: number): void {
    this.#ready = { first, values, bytes: pageBytes + (ArrayBuffer.isView(values) ? 0 : values.length * OBJECT_BYTES) };
  }

  #finish(): void {
    const { row } = this.#next;
    const first = row - (this.#assembler.open ? 1 : 0);
    const values = this.#assembler.finish();
    if (values.length === 0 || row !== this.#rows) {
      throw new PageProblem(`its pages have ${row} rows, and the row group has ${this.#rows}`);
    }
    this.#keep(first, values, 0);
  }

  /** The dictionary. It is read through `bytes` if it is not in memory. */
  async #readDictionary(bytes: ChunkBytes, ahead: number): Promise<Values | undefined> {
    if (this.#dictionary !== undefined || this.#dictionaryAt === undefined) return this.#dictionary?.values;
    const { offset, header } = this.#dictionaryAt;
    const page = { header, bytes: await bytes.page(offset, header, ahead) };
    const values = readDictionary(this.#leaf, this.#chunk.codec, page);
    const objects = ArrayBuffer.isView(values) ? 0 : values.length * OBJECT_BYTES;
    this.#dictionary = { values, bytes: header.uncompressedBytes + objects };
    return values;
  }

  /** Keeps the pages from the one in which the next row begins. */
  #prune(): void {
    let keep = 0;
    for (let index = 1; index < this.#marks.length; index++) {
      if ((this.#marks[index]?.row ?? Infinity) <= this.#wanted) keep = index;
    }
    if (keep > 0) this.#marks.splice(0, keep);
  }

  #ahead(rows: number, skip: number): number {
    if (skip > 0) return SKIP_AHEAD_BYTES;
    const { start, end } = this.#chunk;
    const wanted = (rows / this.#rows) * (end - start) * 1.25;
    return Math.min(MAX_AHEAD_BYTES, Math.max(MIN_AHEAD_BYTES, Math.ceil(wanted)));
  }
}

function withCompression(header: PageHeader): PageHeader {
  return header.v2 === undefined ? header : { ...header, v2: { ...header.v2, compressed: true } };
}
