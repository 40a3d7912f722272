import { pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { BatchSpec } from '@sconce/contracts';
import { datasetError, encodingOf, jsonLayoutOf, oneValuePerLine, transcoded } from '@sconce/datasets';
import { SconceError } from '@sconce/errors';
import type { ByteSource } from '@sconce/storage';
import { FREE_UNPACKED_BYTES } from '../dataset-limits.ts';
import type { PinnedDataset } from '../scoring-plan.ts';
import type { TaskContext } from './task-context.ts';

const TEXT_FORMATS: readonly string[] = ['csv', 'jsonl'];
const READ_BYTES = 512 * 1024;

type Chunks = AsyncIterable<Uint8Array>;

interface Packing {
  readonly name: string;
  readonly magic: readonly number[];
  /** Absent if it cannot be unpacked here. */
  readonly unpack?: () => NodeJS.ReadWriteStream;
}

const PACKINGS: readonly Packing[] = [
  { name: 'gzip', magic: [0x1f, 0x8b], unpack: () => createGunzip() },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], unpack: () => createZstdDecompress() },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68] },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { name: 'zip', magic: [0x50, 0x4b, 0x03, 0x04] },
];

/**
 * Makes a text file one whose rows can be read at any place: unpacked, in UTF-8, with one row per line of JSON. The dataset itself if it
 * is so already, else a copy in the store. @throws SconceError `invalid_dataset`, `storage_full`, `storage_unavailable`.
 */
export async function prepareText(
  pinned: PinnedDataset,
  { batchId, spec }: { readonly batchId: string; readonly spec: BatchSpec },
  { sources, store, signal, limits }: TaskContext,
): Promise<PinnedDataset> {
  if (!TEXT_FORMATS.includes(spec.format) || pinned.sizeBytes < 1) return pinned;
  await using source = await sources.open(pinned);
  const head = await source.read(0, Math.min(READ_BYTES, source.size));
  const packing = PACKINGS.find(({ magic }) => magic.every((byte, at) => head[at] === byte));
  if (packing === undefined && !needsChange(head, spec)) return pinned;
  const location = { kind: 'blob', key: `batches/${batchId}/input` } as const;
  const text = readable(unpacked(chunksOf(source), packing), spec);
  try {
    await store.put(location.key, text, { maxBytes: unpackedLimit(pinned.sizeBytes, limits), signal });
  } catch (error) {
    if (error instanceof SconceError && error.code === 'payload_too_large')
      throw tooLarge(pinned.sizeBytes, packing?.name ?? 'text', limits);
    if (packing === undefined || (error instanceof SconceError && error.code !== 'internal')) throw error;
    const cause = error instanceof SconceError ? error.cause : error;
    throw cannotUnpack(packing, cause instanceof Error ? cause : (error as Error));
  }
  return sources.pin(location);
}

function needsChange(head: Uint8Array, { format, table }: BatchSpec): boolean {
  return encodingOf(head, table.encoding) !== undefined || (format === 'jsonl' && jsonLayoutOf(head) !== undefined);
}

async function* chunksOf(source: ByteSource): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < source.size; at += READ_BYTES) yield source.read(at, Math.min(READ_BYTES, source.size - at));
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

/** The text in UTF-8, with one row per line of JSON. Its first bytes decide. */
async function* readable(chunks: Chunks, { format, table }: BatchSpec): AsyncGenerator<Uint8Array, void, undefined> {
  const { head, all } = await withHead(chunks);
  const encoding = encodingOf(head, table.encoding);
  const utf8 = encoding === undefined ? all : transcoded(all, encoding);
  if (format !== 'jsonl') {
    yield* utf8;
    return;
  }
  const text = await withHead(utf8);
  const layout = jsonLayoutOf(text.head);
  yield* layout === undefined ? text.all : oneValuePerLine(text.all, layout);
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

type UnpackLimits = TaskContext['limits'];

function unpackedLimit(packedBytes: number, { maxUnpackedBytes, maxUnpackRatio }: UnpackLimits): number {
  return Math.min(maxUnpackedBytes, Math.max(FREE_UNPACKED_BYTES, packedBytes * maxUnpackRatio));
}

function tooLarge(packedBytes: number, packing: string, limits: UnpackLimits): SconceError {
  const limit = unpackedLimit(packedBytes, limits);
  const why =
    limit === limits.maxUnpackedBytes
      ? 'SCONCE_MAX_UNPACKED_BYTES'
      : `${limits.maxUnpackRatio} times its size (SCONCE_MAX_UNPACK_RATIO), at least ${FREE_UNPACKED_BYTES}`;
  return datasetError(
    `The ${packing} file has ${packedBytes} bytes and unpacks to more than ${limit} bytes, the most that are allowed: ${why}. Send it unpacked, or in parts.`,
    { param: 'input' },
  );
}

function cannotUnpack({ name }: Packing, cause: Error): SconceError {
  const why = (cause as NodeJS.ErrnoException).code === 'Z_BUF_ERROR' ? 'it is truncated' : cause.message;
  return datasetError(`The ${name} file cannot be unpacked: ${why}.`, { param: 'input', cause });
}
