import type { ByteSource } from '@sconce/storage';

import { modelError } from '../torchscript-error.ts';

/** The place of a zip file's central directory. */
export interface DirectoryLocation {
  readonly offset: number;
  readonly bytes: number;
  readonly entries: number;
}

const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const ZIP64_LOCATOR_SIGNATURE = 0x07064b50;
const ZIP64_LOCATOR_BYTES = 20;
const ZIP64_END_SIGNATURE = 0x06064b50;
const ZIP64_END_BYTES = 56;
const MAX_COMMENT_BYTES = 0xffff;

const damaged = (what: string): Error =>
  modelError('archive', `the zip directory is damaged (${what}); copy the file again, or save the model again`);

/**
 * Finds the end-of-central-directory record, or its zip64 form if there is one. It refuses files that two zip readers could read
 * differently: with bytes after the archive, or with a directory that does not end where its end record starts.
 *
 * @throws SconceError `model_invalid`
 */
export async function findDirectory(source: ByteSource): Promise<DirectoryLocation> {
  const tailBytes = Math.min(source.size, END_BYTES + MAX_COMMENT_BYTES);
  const tailOffset = source.size - tailBytes;
  const tail = await source.read(tailOffset, tailBytes);
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  const at = findEnd(view);
  if (at === undefined) {
    throw modelError(
      'archive',
      'the file is cut off: it begins as a zip archive but has no zip directory at its end; copy or download it again',
    );
  }
  const end = {
    disks: view.getUint16(at + 4, true) + view.getUint16(at + 6, true),
    entriesHere: view.getUint16(at + 8, true),
    entries: view.getUint16(at + 10, true),
    bytes: view.getUint32(at + 12, true),
    offset: view.getUint32(at + 16, true),
  };
  const endOffset = tailOffset + at;
  const hasLocator =
    at >= ZIP64_LOCATOR_BYTES && view.getUint32(at - ZIP64_LOCATOR_BYTES, true) === ZIP64_LOCATOR_SIGNATURE;
  const location = hasLocator ? await readZip64End(source, view, at, endOffset) : end;
  const limit = hasLocator ? safe(view.getBigUint64(at - ZIP64_LOCATOR_BYTES + 8, true)) : endOffset;

  if (end.disks !== 0 || end.entriesHere !== end.entries) throw damaged('it spans several disks');
  if (location.offset + location.bytes !== limit) throw damaged('it is not where its end record says');
  const agrees =
    (end.entries === location.entries || end.entries === 0xffff) &&
    (end.bytes === location.bytes || end.bytes === 0xffffffff) &&
    (end.offset === location.offset || end.offset === 0xffffffff);
  if (!agrees) throw damaged('its two end records disagree');
  return { offset: location.offset, bytes: location.bytes, entries: location.entries };
}

/** The offset of the last end record whose comment ends exactly at the end of the file. */
function findEnd(view: DataView): number | undefined {
  for (let at = view.byteLength - END_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) !== END_SIGNATURE) continue;
    if (at + END_BYTES + view.getUint16(at + 20, true) === view.byteLength) return at;
  }
  return undefined;
}

async function readZip64End(
  source: ByteSource,
  tail: DataView,
  at: number,
  endOffset: number,
): Promise<DirectoryLocation> {
  const locator = at - ZIP64_LOCATOR_BYTES;
  const offset = safe(tail.getBigUint64(locator + 8, true));
  const locatorOffset = endOffset - ZIP64_LOCATOR_BYTES;
  const disks = tail.getUint32(locator + 16, true);
  if (disks > 1 || tail.getUint32(locator + 4, true) !== 0) throw damaged('it spans several disks');
  if (offset + ZIP64_END_BYTES > locatorOffset) throw damaged('its zip64 end record is not where it should be');
  const bytes = await source.read(offset, ZIP64_END_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ends = offset + 12 + safe(view.getBigUint64(4, true));
  if (view.getUint32(0, true) !== ZIP64_END_SIGNATURE || ends !== locatorOffset) {
    throw damaged('its zip64 end record is not where it should be');
  }
  if (view.getUint32(16, true) !== 0 || view.getUint32(20, true) !== 0) throw damaged('it spans several disks');
  const entries = safe(view.getBigUint64(32, true));
  if (safe(view.getBigUint64(24, true)) !== entries) throw damaged('it spans several disks');
  return { entries, bytes: safe(view.getBigUint64(40, true)), offset: safe(view.getBigUint64(48, true)) };
}

function safe(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged('a size of more than 2^53 bytes');
  return Number(value);
}
