import { SconceError } from '@sconce/errors';
import type { ByteSource } from '@sconce/storage';
import { datasetError, shown } from '../dataset-error.ts';
import { readArrowSchema, type ArrowSchema } from './arrow-schema.ts';
import { indexFile, StreamWalk, type BatchIndex } from './batch-index.ts';
import { FlatTable } from './flat-table.ts';
import { MessageSource } from './message-source.ts';

const MAGIC = 'ARROW1';
const FEATHER_1 = 'FEA1';
/** Bytes of the footer's length and of the magic after it. */
const TAIL_BYTES = 10;
const FIRST_MESSAGE = 8;
/** A footer of this size names about 2.7 million batches. */
const MAX_FOOTER_BYTES = 64 * 1024 ** 2;
const FIRST_READ_BYTES = 64 * 1024;

/** A file, whose batches are known, or a stream, whose batches are found by walking it. */
export type OpenedArrow = { readonly schema: ArrowSchema } & (
  | { readonly kind: 'file'; readonly index: BatchIndex }
  /** `start` is the first message after the schema. */
  | { readonly kind: 'stream'; readonly start: number; readonly walk: StreamWalk }
);

/** Distinguishes files and streams and reads the schema. @throws SconceError `invalid_dataset` if it is neither, cut off or damaged. */
export async function openArrowSource(source: ByteSource): Promise<OpenedArrow> {
  const head = text(await source.read(0, Math.min(MAGIC.length, source.size)));
  if (head === MAGIC) return openFile(source);
  if (head.startsWith(FEATHER_1)) {
    throw datasetError(
      'The file has Feather version 1: write it as Arrow IPC (pyarrow.feather.write_feather, version=2).',
    );
  }
  return openStream(source, head);
}

async function openFile(source: ByteSource): Promise<OpenedArrow> {
  const bytes = await footerBytes(source);
  let schema: ArrowSchema;
  let offsets: { batches: number[]; dictionaries: number[] };
  try {
    const footer = FlatTable.root(bytes);
    const table = footer.table(1);
    if (table === undefined) throw new RangeError('there is no schema');
    schema = readArrowSchema(table, footer.integer(0, 16));
    offsets = {
      batches: footer.structs(3, 24, (int64) => int64(0)),
      dictionaries: footer.structs(2, 24, (int64) => int64(0)),
    };
    for (const offset of [...offsets.batches, ...offsets.dictionaries]) {
      if (offset < FIRST_MESSAGE || offset >= source.size) throw new RangeError(`a batch begins at byte ${offset}`);
    }
  } catch (error) {
    if (error instanceof SconceError) throw error;
    throw damaged('its footer cannot be read', error);
  }
  return { kind: 'file', schema, index: await indexFile(source, { ...offsets, fields: schema.fields }) };
}

async function openStream(source: ByteSource, head: string): Promise<OpenedArrow> {
  const isStream = head.startsWith('\xff\xff\xff\xff') || head.startsWith('\0\0', 2);
  if (!isStream || source.size < FIRST_MESSAGE) {
    throw datasetError(
      `The file is not an Arrow IPC file: it begins with ${shown(head)}, not with ${shown(MAGIC)}, and not like a stream.`,
    );
  }
  const placed = await new MessageSource(source).at(0);
  if (placed?.message.kind !== 'schema') throw damaged('it does not begin with a schema');
  const { message, end } = placed;
  try {
    const schema = readArrowSchema(message.schema, message.version);
    return {
      kind: 'stream',
      schema,
      start: end,
      walk: new StreamWalk(source, { offset: end, row: 0, fields: schema.fields }),
    };
  } catch (error) {
    if (error instanceof SconceError) throw error;
    throw damaged('its schema cannot be read', error);
  }
}

async function footerBytes(source: ByteSource): Promise<Uint8Array> {
  const { size } = source;
  if (size < FIRST_MESSAGE + TAIL_BYTES) throw cutOff(size);
  const length = Math.min(size - FIRST_MESSAGE, FIRST_READ_BYTES);
  const end = await source.read(size - length, length);
  const tail = Buffer.from(end.buffer, end.byteOffset + length - TAIL_BYTES, TAIL_BYTES);
  if (tail.toString('latin1', 4) !== MAGIC) throw cutOff(size);
  const footer = tail.readInt32LE(0);
  if (footer <= 0 || footer > size - FIRST_MESSAGE - TAIL_BYTES) {
    throw damaged(`its footer should have ${footer} bytes, and the file has ${size}`);
  }
  if (footer > MAX_FOOTER_BYTES) {
    throw datasetError(
      `The Arrow file's footer has ${footer} bytes; at most ${MAX_FOOTER_BYTES} are supported. Write the file in larger batches, or several files.`,
    );
  }
  if (footer + TAIL_BYTES <= length) return end.subarray(length - footer - TAIL_BYTES, length - TAIL_BYTES);
  return source.read(size - footer - TAIL_BYTES, footer);
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function cutOff(size: number): SconceError {
  return datasetError(
    `The Arrow file is cut off: it has ${size} bytes and does not end with ${shown(MAGIC)}. Send the whole file.`,
  );
}

function damaged(what: string, cause?: unknown): SconceError {
  return datasetError(`The Arrow file is damaged: ${what}. Write it again.`, { cause });
}
