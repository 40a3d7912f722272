import type { ByteSource } from '@sconce/storage';
import { checkRowCount } from '../limits.ts';
import { readLayout } from './arrow-messages.ts';
import type { ArrowField } from './arrow-schema.ts';
import { checkRows } from './column-layout.ts';
import { damagedAt, MessageSource, type PlacedMessage } from './message-source.ts';

/** Messages of a file that are read concurrently. */
const AT_ONCE = 16;

/** The position of a batch of rows. */
export interface Batch {
  /** Offset of its message. */
  readonly offset: number;
  readonly firstRow: number;
  readonly rows: number;
  /** Number of the index's dictionaries that are before it. */
  readonly dictionaries: number;
}

/** The position of values of a dictionary. */
export interface PlacedDictionary {
  readonly offset: number;
  readonly id: number;
  /** Whether they are added to the existing values instead of replacing them. */
  readonly isDelta: boolean;
}

/** Positions of the batches and dictionaries of a file, or of the walked part of a stream. A batch needs about 24 bytes of memory. */
export class BatchIndex {
  readonly dictionaries: PlacedDictionary[] = [];
  readonly #offsets: number[] = [];
  readonly #firstRows: number[] = [];
  readonly #dictionaryCounts: number[] = [];
  #rows: number;

  constructor(firstRow = 0) {
    this.#rows = firstRow;
  }

  /** The number of the first row after the last batch. */
  get rows(): number {
    return this.#rows;
  }

  /** Adds a batch after the others. */
  add(offset: number, rows: number): void {
    if (rows === 0) return;
    this.#offsets.push(offset);
    this.#firstRows.push(this.#rows);
    this.#dictionaryCounts.push(this.dictionaries.length);
    this.#rows += rows;
  }

  /** The known batch that contains a row. */
  find(row: number): Batch | undefined {
    let low = 0;
    let high = this.#firstRows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#firstRows[middle] ?? 0) <= row) low = middle;
      else high = middle - 1;
    }
    const offset = this.#offsets[low];
    const firstRow = this.#firstRows[low];
    const dictionaries = this.#dictionaryCounts[low];
    if (offset === undefined || firstRow === undefined || dictionaries === undefined) return undefined;
    const rows = (this.#firstRows[low + 1] ?? this.#rows) - firstRow;
    return row >= firstRow && row < firstRow + rows ? { offset, firstRow, rows, dictionaries } : undefined;
  }
}

/** Where the batches and dictionaries of a file are, and its columns. */
export interface FileLayout {
  readonly fields: readonly ArrowField[];
  readonly batches: readonly number[];
  readonly dictionaries: readonly number[];
}

/** The index of a file, from the positions in its footer. @throws SconceError `invalid_dataset`. */
export async function indexFile(source: ByteSource, offsets: FileLayout): Promise<BatchIndex> {
  const index = new BatchIndex();
  await eachMessage(source, offsets.dictionaries, (messages, offset) => readDictionary(messages, offset)).then((all) =>
    index.dictionaries.push(...all),
  );
  const rows = await eachMessage(source, offsets.batches, async (messages, offset) => {
    const placed = await messages.at(offset);
    if (placed?.message.kind !== 'batch') throw damagedAt(offset, 'there is no batch of rows');
    return rowsOf(placed, offsets.fields);
  });
  for (const [at, offset] of offsets.batches.entries()) index.add(offset, rows[at] ?? 0);
  return index;
}

/** The rows of a batch. @throws SconceError `invalid_dataset` if its columns cannot have as many. */
function rowsOf({ message, offset, bodyOffset, end }: PlacedMessage, fields: readonly ArrowField[]): number {
  if (message.kind !== 'batch') return 0;
  try {
    checkRows(fields, readLayout(message.batch, end - bodyOffset));
  } catch (error) {
    throw damagedAt(offset, error instanceof Error ? error.message : String(error), error);
  }
  return message.rows;
}

async function readDictionary(messages: MessageSource, offset: number): Promise<PlacedDictionary> {
  const placed = await messages.at(offset);
  if (placed?.message.kind !== 'dictionary') throw damagedAt(offset, 'there is no dictionary');
  return { offset, id: placed.message.id, isDelta: placed.message.isDelta };
}

/** Reads with several readers. Each reads consecutive messages, so that small messages share the bytes that are read ahead. */
async function eachMessage<Result>(
  source: ByteSource,
  offsets: readonly number[],
  look: (messages: MessageSource, offset: number) => Promise<Result>,
): Promise<Result[]> {
  const share = Math.max(1, Math.ceil(offsets.length / AT_ONCE));
  const parts = Array.from({ length: Math.ceil(offsets.length / share) }, async (_, part) => {
    const messages = new MessageSource(source);
    const results: Result[] = [];
    for (const offset of offsets.slice(part * share, (part + 1) * share)) results.push(await look(messages, offset));
    return results;
  });
  return (await Promise.all(parts)).flat();
}

/** The index of a stream. It walks from message to message, as far as requested. */
export class StreamWalk {
  readonly index: BatchIndex;
  /** Whether the stream has ended. */
  ended = false;
  /** Offset of the next message. */
  next: number;
  readonly #messages: MessageSource;
  readonly #fields: readonly ArrowField[];

  /** @param from offset of a message, and the number of its first row. */
  constructor(
    source: ByteSource,
    from: { readonly offset: number; readonly row: number; readonly fields: readonly ArrowField[] },
  ) {
    this.#fields = from.fields;
    this.index = new BatchIndex(from.row);
    this.next = from.offset;
    this.#messages = new MessageSource(source);
  }

  /** Walks on until all rows below `rows` are known, or to the end. @throws SconceError `invalid_dataset`. */
  async toRow(rows: number): Promise<void> {
    while (!this.ended && this.index.rows < rows) await this.#step();
  }

  /** Walks on to the message at `offset`. @throws SconceError `invalid_dataset`. */
  async toMessage(offset: number): Promise<void> {
    while (!this.ended && this.next < offset) await this.#step();
  }

  async #step(): Promise<void> {
    const placed = await this.#messages.at(this.next);
    if (placed === undefined) {
      this.ended = true;
      return;
    }
    const { message, offset, end } = placed;
    if (message.kind === 'schema') throw damagedAt(offset, 'a second schema follows; the file may be two joined files');
    if (message.kind === 'dictionary') {
      this.index.dictionaries.push({ offset, id: message.id, isDelta: message.isDelta });
    }
    if (message.kind === 'batch') this.index.add(offset, rowsOf(placed, this.#fields));
    checkRowCount(this.index.rows);
    this.next = end;
  }
}
