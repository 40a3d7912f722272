import { pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { type SconceError } from '@sconce/errors';
import { datasetError } from '../dataset-error.ts';
import type { DatasetFormat } from '../dataset-format.ts';
import { jsonLayoutOf, oneValuePerLine } from '../jsonl/json-values.ts';
import { encodingOf, transcoded } from './transcode.ts';

type Chunks = AsyncIterable<Uint8Array>;

/** How a file is compressed. */
export interface Packing {
  readonly name: string;
  readonly magic: readonly number[];
  /** Absent if it cannot be unpacked here. */
  readonly unpack?: () => NodeJS.ReadWriteStream;
}

/** What is known about a text. */
export interface TextKind {
  readonly format: DatasetFormat;
  /** Default: UTF-8, or UTF-16 if the text begins with its mark. */
  readonly encoding?: string | undefined;
}

const TEXT_FORMATS: readonly DatasetFormat[] = ['csv', 'jsonl'];

const PACKINGS: readonly Packing[] = [
  { name: 'gzip', magic: [0x1f, 0x8b], unpack: () => createGunzip() },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], unpack: () => createZstdDecompress() },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68] },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { name: 'zip', magic: [0x50, 0x4b, 0x03, 0x04] },
];

export function isText(format: DatasetFormat): boolean {
  return TEXT_FORMATS.includes(format);
}

/** The compression of a file that begins with `head`; undefined if it has none that is known. */
export function packingOf(head: Uint8Array): Packing | undefined {
  return PACKINGS.find(({ magic }) => magic.every((byte, at) => head[at] === byte));
}

/** Whether rows of an unpacked text that begins with `head` can be read at any place: it is UTF-8, with one row per line of JSON. */
export function isReadable(head: Uint8Array, { format, encoding }: TextKind): boolean {
  return encodingOf(head, encoding) === undefined && (format !== 'jsonl' || jsonLayoutOf(head) === undefined);
}

/**
 * The text unpacked, in UTF-8, with one row per line of JSON. Its first bytes decide. Errors of unpacking are those of `node:zlib`.
 * @throws SconceError `invalid_dataset` for a compression or an encoding that is not supported.
 */
export async function* readableText(
  chunks: Chunks,
  { format, encoding, packing }: TextKind & { readonly packing: Packing | undefined },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { head, all } = await withHead(unpacked(chunks, packing));
  const other = encodingOf(head, encoding);
  const utf8 = other === undefined ? all : transcoded(all, other);
  if (format !== 'jsonl') {
    yield* utf8;
    return;
  }
  const text = await withHead(utf8);
  const layout = jsonLayoutOf(text.head);
  yield* layout === undefined ? text.all : oneValuePerLine(text.all, layout);
}

/** The error for a file that cannot be unpacked. */
export function cannotUnpack({ name }: Packing, cause: Error): SconceError {
  const why = (cause as NodeJS.ErrnoException).code === 'Z_BUF_ERROR' ? 'it is truncated' : cause.message;
  return datasetError(`The ${name} file cannot be unpacked: ${why}.`, { param: 'input', cause });
}

function unpacked(chunks: Chunks, packing: Packing | undefined): Chunks {
  if (packing === undefined) return chunks;
  if (packing.unpack === undefined) {
    throw datasetError(
      `The file is compressed with ${packing.name}, which is not supported: unpack it, or compress it with gzip or zstd.`,
      { param: 'input' },
    );
  }
  const unpack = packing.unpack();
  pipeline(chunks, unpack, () => undefined);
  return unpack as unknown as Chunks;
}

/** The first chunk that is not empty, and all chunks. */
async function withHead(chunks: Chunks): Promise<{ readonly head: Uint8Array; readonly all: Chunks }> {
  const iterator = chunks[Symbol.asyncIterator]();
  let first = await iterator.next();
  while (first.done !== true && first.value.byteLength === 0) first = await iterator.next();
  const head = first.done === true ? new Uint8Array(0) : first.value;
  async function* all(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { head, all: all() };
}
