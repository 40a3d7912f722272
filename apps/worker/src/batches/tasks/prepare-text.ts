import type { BatchSpec } from '@sconce/contracts';
import { cannotUnpack, datasetError, isReadable, isText, packingOf, readableText } from '@sconce/datasets';
import { SconceError } from '@sconce/errors';
import type { ByteSource } from '@sconce/storage';
import { FREE_UNPACKED_BYTES } from '../dataset-limits.ts';
import type { PinnedDataset } from '../scoring-plan.ts';
import type { TaskContext } from './task-context.ts';

const READ_BYTES = 512 * 1024;
/** Unpacked bytes of which a dry run scores the first rows. */
const PREVIEW_BYTES = 64 * 1024 ** 2;

/**
 * Makes a text file one whose rows can be read at any place: unpacked, in UTF-8, with one row per line of JSON. The dataset itself if it
 * is so already, else a copy in the store. @throws SconceError `invalid_dataset`, `storage_full`, `storage_unavailable`.
 */
export async function prepareText(
  pinned: PinnedDataset,
  { batchId, spec }: { readonly batchId: string; readonly spec: BatchSpec },
  { sources, store, signal, limits }: TaskContext,
): Promise<PinnedDataset> {
  const kind = { format: spec.format, encoding: spec.table.encoding };
  if (!isText(kind.format) || pinned.sizeBytes < 1) return pinned;
  await using source = await sources.open(pinned);
  const head = await source.read(0, Math.min(READ_BYTES, source.size));
  const packing = packingOf(head);
  if (packing === undefined && isReadable(head, kind)) return pinned;
  const location = { kind: 'blob', key: `batches/${batchId}/input` } as const;
  const whole = readableText(chunksOf(source), { ...kind, packing });
  const text = spec.preview === true ? firstBytes(whole, PREVIEW_BYTES) : whole;
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

/** The beginning of a text, cut off anywhere. */
async function* firstBytes(
  text: AsyncIterable<Uint8Array>,
  bytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = bytes;
  for await (const piece of text) {
    yield piece.subarray(0, left);
    left -= piece.byteLength;
    if (left <= 0) return;
  }
}

async function* chunksOf(source: ByteSource): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < source.size; at += READ_BYTES) yield source.read(at, Math.min(READ_BYTES, source.size - at));
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
