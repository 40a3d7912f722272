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

/** Read ahead while rows are passed over: pages are about as large, and one request is cheaper than one for each header. */
const SKIP_AHEAD_BYTES = 1024 ** 2;
const MIN_AHEAD_BYTES = 32 * 1024;
const MAX_AHEAD_BYTES = 4 * 1024 ** 2;
/** A value that is no number, beside its own bytes. */
const OBJECT_BYTES = 40;

/** A page's place in its chunk. */
interface Place {
  readonly offset: number;
  /** Rows and values that begin before it. */
  readonly row: number;
  readonly values: number;
}

/**
 * The rows of one column chunk, asked for in order, page by page: never more than a page is decoded beyond what is asked for. Pages
 * before the first row asked for are passed over, by their headers where these tell the rows.
 *
 * It holds the window of bytes read ahead, the dictionary, and the rows of the last page that are not wanted yet. `release` lets go of
 * that where it is much; what is needed again is then read again, from the page in which the next row begins.
 */
export class ChunkStream {
  readonly #source: ByteSource;
  readonly #leaf: Leaf;
  readonly #chunk: ColumnChunk;
  readonly #rows: number;
  readonly #bytes: ChunkBytes;
  readonly #assembler: RowAssembler;
  #next: Place;
  /** Places to begin again from: the first is that in which the next row begins. */
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

  /** Rows `from` to `from + count` of the row group; `from` is never before the end of what was asked for before. */
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

  /** Lets go of what is held where it is more than `maxBytes`. */
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

  /** Reads on by one page. */
  async #advance(end: number): Promise<void> {
    const place = this.#next;
    const { offset, row, values } = place;
    if (values >= this.#chunk.values) {
      this.#finish();
      return;
    }
    if (offset >= this.#chunk.end) throw new PageProblem(`its pages end after ${values} of its values`);
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
      // Where pages are passed over first, those read may not need it.
      if (this.#wanted === row) await this.#readDictionary(this.#bytes, ahead);
      return;
    }
    if (behind.values > this.#chunk.values) throw new PageProblem('its pages hold more values than it claims');
    this.#marks.push(place);
    this.#prune();
    const told = this.#leaf.maxRepetition === 0 ? header.values : header.v2?.rows;
    if (told !== undefined && row + told <= this.#wanted) {
      this.#assembler.reset();
      this.#next = { ...behind, row: row + told };
      return;
    }
    const page = openPage(this.#leaf, this.#chunk.codec, {
      header,
      bytes: await this.#bytes.page(offset, header, ahead),
    });
    if ((told !== undefined && told !== page.rows) || row + page.rows > this.#rows) {
      throw new PageProblem('a page has other rows than it claims');
    }
    this.#next = { ...behind, row: row + page.rows };
    if (row + page.rows <= this.#wanted) {
      this.#assembler.reset();
      return;
    }
    // The window has gone on: the dictionary is fetched beside it.
    const dictionary = header.encoding.endsWith('_DICTIONARY')
      ? await this.#readDictionary(new ChunkBytes(this.#source, this.#chunk.end), 0)
      : undefined;
    const first = row - (this.#assembler.open ? 1 : 0);
    this.#keep(first, this.#assembler.add(page.data(dictionary), header.v2 !== undefined), header.uncompressedBytes);
  }

  #keep(first: number, values: ColumnValues, pageBytes: number): void {
    this.#ready = { first, values, bytes: pageBytes + (ArrayBuffer.isView(values) ? 0 : values.length * OBJECT_BYTES) };
  }

  #finish(): void {
    const { row } = this.#next;
    const first = row - (this.#assembler.open ? 1 : 0);
    const values = this.#assembler.finish();
    if (values.length === 0 || row !== this.#rows) {
      throw new PageProblem(`its pages hold ${row} rows, and the row group has ${this.#rows}`);
    }
    this.#keep(first, values, 0);
  }

  /** The dictionary, read through `bytes` where it is not at hand. */
  async #readDictionary(bytes: ChunkBytes, ahead: number): Promise<Values | undefined> {
    if (this.#dictionary !== undefined || this.#dictionaryAt === undefined) return this.#dictionary?.values;
    const { offset, header } = this.#dictionaryAt;
    const page = { header, bytes: await bytes.page(offset, header, ahead) };
    const values = readDictionary(this.#leaf, this.#chunk.codec, page);
    const objects = ArrayBuffer.isView(values) ? 0 : values.length * OBJECT_BYTES;
    this.#dictionary = { values, bytes: header.uncompressedBytes + objects };
    return values;
  }

  /** Keeps the places from that on in which the next row begins. */
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
