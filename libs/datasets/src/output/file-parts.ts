import { Readable } from 'node:stream';
import { SconceError } from '@sconce/errors';
import type { BlobStore } from '@sconce/storage';
import type { DatasetWriter, FinishedPart } from './dataset-writer.ts';

/** The results of a chunk as a part of a file: the first `bytes` of the blob. The next `trailer` bytes describe the part. */
export interface StoredPart {
  readonly key: string;
  readonly rows: number;
  readonly bytes: number;
  readonly trailer: number;
}

/** A file that is stored in parts, as JSON. `begin` and `end` are the bytes before and after the parts, in base64. */
export interface FileParts {
  readonly v: 1;
  readonly begin: string;
  readonly parts: readonly { readonly key: string; readonly bytes: number }[];
  readonly end: string;
}

/** Makes a file of these parts, in their order, without a copy. @throws SconceError `storage_unavailable` if a part is missing. */
export async function assembleFile(
  writer: DatasetWriter,
  stored: readonly StoredPart[],
  store: BlobStore,
): Promise<FileParts> {
  const rows = stored.reduce((sum, part) => sum + part.rows, 0);
  const begin = writer.begin({ rows });
  const parts: FinishedPart[] = [];
  for (const part of stored) parts.push({ rows: part.rows, bytes: part.bytes, trailer: await trailerOf(part, store) });
  const end = writer.end({ rows, beginBytes: begin.byteLength, parts });
  return { v: 1, begin: base64(begin), parts: stored.map(({ key, bytes }) => ({ key, bytes })), end: base64(end) };
}

/** Length of a file in parts. */
export function bytesOfParts({ begin, parts, end }: FileParts): number {
  const around = Buffer.byteLength(begin, 'base64') + Buffer.byteLength(end, 'base64');
  return parts.reduce((sum, part) => sum + part.bytes, around);
}

/** The bytes of a file in parts. @throws (on the stream) SconceError `storage_unavailable` if a part is missing. */
export function streamParts(file: FileParts, store: BlobStore): Readable {
  async function* pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    if (file.begin !== '') yield Buffer.from(file.begin, 'base64');
    for (const { key, bytes } of file.parts) {
      if (bytes === 0) continue;
      const part = await store.stream(key, { offset: 0, length: bytes });
      if (part === undefined) throw partMissing(key);
      yield* part;
    }
    if (file.end !== '') yield Buffer.from(file.end, 'base64');
  }
  return Readable.from(pieces(), { objectMode: false });
}

async function trailerOf({ key, bytes, trailer }: StoredPart, store: BlobStore): Promise<Uint8Array> {
  if (trailer === 0) return new Uint8Array(0);
  await using source = await store.open(key);
  if (source === undefined) throw partMissing(key);
  return Uint8Array.from(await source.read(bytes, trailer));
}

function partMissing(key: string): SconceError {
  return new SconceError('storage_unavailable', `A part of the results (${key}) is missing in the blob store.`);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
