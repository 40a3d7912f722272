import { MemoryByteSource, type OpenByteSource } from '@sconce/storage';
import type { DatasetReader } from '../dataset-reader.ts';
import { openDataset } from '../open-dataset.ts';
import { cannotUnpack, isReadable, isText, packingOf, readableText } from '../text/readable-text.ts';
import { encodingOf } from '../text/transcode.ts';
import type { PreviewedTable } from './dataset-preview.ts';

/** Unpacked bytes that are looked at: enough for the first rows. */
const HEAD_BYTES = 4 * 1024 ** 2;
const READ_BYTES = 64 * 1024;
const NEWLINE = 10;

/** What a file is, by its first bytes. */
export interface FileKind {
  readonly compression: string | null;
  readonly encoding: string | null;
}

/** The beginning of a dataset. */
export interface DatasetHead {
  readonly reader: DatasetReader;
  /** Bytes of the file that the reader has; the whole file, unless it had to be unpacked. */
  readonly bytes: number;
  /** Bytes that the reader reads instead of these. */
  readonly unpackedBytes: number;
  /** Whether the reader has all rows. */
  readonly isWhole: boolean;
}

/** Reads the first bytes of a file. */
export async function headOf(source: OpenByteSource): Promise<Uint8Array> {
  return source.read(0, Math.min(READ_BYTES, source.size));
}

/** @throws SconceError `invalid_dataset` for an unknown encoding. */
export function fileKind(head: Uint8Array, { format, encoding }: PreviewedTable): FileKind {
  if (!isText(format)) return { compression: null, encoding: null };
  const packing = packingOf(head);
  const known = packing === undefined ? encodingOf(head, encoding) : encodingOf(new Uint8Array(0), encoding);
  return { compression: packing?.name ?? null, encoding: known ?? 'utf-8' };
}

/**
 * Opens a dataset as a batch would. A text that a batch would unpack or transcode into the store is unpacked into memory, up to its first
 * megabytes. The reader owns the source. @throws SconceError `invalid_dataset`, `storage_unavailable`.
 */
export async function openHead(source: OpenByteSource, table: PreviewedTable): Promise<DatasetHead> {
  const { format, encoding, csv } = table;
  const head = await headOf(source);
  const packing = isText(format) ? packingOf(head) : undefined;
  if (packing === undefined && (!isText(format) || isReadable(head, { format, encoding }))) {
    const reader = await openDataset(source, format, { csv });
    return { reader, bytes: source.size, unpackedBytes: source.size, isWhole: true };
  }
  await using closing = source;
  let taken = 0;
  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < closing.size; at += READ_BYTES) {
      const chunk = await closing.read(at, Math.min(READ_BYTES, closing.size - at));
      taken = at + chunk.byteLength;
      yield chunk;
    }
  }
  const pieces: Uint8Array[] = [];
  let length = 0;
  let isWhole = true;
  try {
    for await (const piece of readableText(chunks(), { format, encoding, packing })) {
      pieces.push(piece);
      length += piece.byteLength;
      isWhole = length < HEAD_BYTES;
      if (!isWhole) break;
    }
  } catch (error) {
    throw packing === undefined || (error as NodeJS.ErrnoException).code === undefined || 'details' in (error as object)
      ? error
      : cannotUnpack(packing, error as Error);
  }
  const text = Buffer.concat(pieces);
  // The last row may be cut off.
  const whole = isWhole ? text : text.subarray(0, text.lastIndexOf(NEWLINE) + 1);
  const reader = await openDataset(new MemoryByteSource(whole), format, { csv });
  return { reader, bytes: taken, unpackedBytes: whole.byteLength, isWhole };
}
