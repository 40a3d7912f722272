import type { ByteSource } from '@sconce/storage';

import { modelError } from '../torchscript-error.ts';
import type { ArchiveLimits } from './archive-limits.ts';
import { findDirectory } from './end-of-directory.ts';
import { readRanges } from './read-ranges.ts';

/** A file in a zip archive, with the place of its data. */
export interface ZipEntry {
  /** Full name, with `/` between folders. */
  readonly name: string;
  readonly method: 'stored' | 'deflated';
  /** CRC-32 of the inflated data. */
  readonly crc32: number;
  /** Bytes in the file. */
  readonly storedBytes: number;
  /** Bytes after inflation. */
  readonly bytes: number;
  /** Offset of the data's first byte in the file. */
  readonly dataOffset: number;
}

/** An entry as the central directory gives it. */
interface ListedEntry extends Omit<ZipEntry, 'dataOffset'> {
  readonly headerOffset: number;
  readonly nameBytes: Uint8Array;
}

const CENTRAL_SIGNATURE = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_BYTES = 30;
const ZIP64_EXTRA = 1;
const MAX_U32 = 0xffffffff;

/**
 * The files of a zip archive, in the directory's order. Reads the directory and the entries' own headers, but no data.
 *
 * It is not from a zip library, because weights are used in place, as ranges of the file: that needs the offsets of the data,
 * bounds, and the refusal of everything ambiguous.
 *
 * @throws SconceError `model_invalid` if the directory exceeds a limit or breaks a rule. zip64 is supported. Refused are entries
 * that are encrypted, overlap, are outside the file, or have a name that occurs twice or leaves the archive's folder.
 */
export async function readZipDirectory(source: ByteSource, limits: ArchiveLimits): Promise<ZipEntry[]> {
  const location = await findDirectory(source);
  if (location.entries > limits.maxEntries) throw tooMuch('entries', location.entries, limits.maxEntries);
  if (location.bytes > limits.maxDirectoryBytes) {
    throw tooMuch('bytes of directory', location.bytes, limits.maxDirectoryBytes);
  }
  if (location.entries * CENTRAL_BYTES > location.bytes) throw damaged('its number of entries is wrong');
  const bytes = await source.read(location.offset, location.bytes);
  const listed = parseDirectory(bytes, location.entries, location.offset);
  return locateData(source, listed, location.offset);
}

function tooMuch(what: string, count: number, limit: number): Error {
  return modelError('archive', `the zip archive has ${count} ${what}; at most ${limit} are read`);
}

function damaged(what: string, record?: string): Error {
  const where = record === undefined ? '' : `entry ${record}: `;
  const message = `the zip directory is damaged (${where}${what}); copy the file again, or save the model again`;
  return modelError('archive', message, record === undefined ? {} : { record });
}

function parseDirectory(bytes: Uint8Array, count: number, directoryOffset: number): ListedEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: ListedEntry[] = [];
  const names = new Set<string>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_BYTES > bytes.length || view.getUint32(at, true) !== CENTRAL_SIGNATURE) {
      throw damaged(`entry ${i} is missing`);
    }
    const nameEnd = at + CENTRAL_BYTES + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const end = extraEnd + view.getUint16(at + 32, true);
    if (end > bytes.length) throw damaged(`entry ${i} is longer than the directory`);
    const nameBytes = bytes.subarray(at + CENTRAL_BYTES, nameEnd);
    const entry = parseEntry(view, at, nameBytes, bytes.subarray(nameEnd, extraEnd));
    if (names.has(entry.name)) throw damaged('its name occurs twice', entry.name);
    if (entry.headerOffset + LOCAL_BYTES + nameBytes.length + entry.storedBytes > directoryOffset) {
      throw damaged('it is outside the file', entry.name);
    }
    names.add(entry.name);
    entries.push(entry);
    at = end;
  }
  if (at !== bytes.length) throw damaged('it is longer than its entries');
  return entries;
}

function parseEntry(view: DataView, at: number, nameBytes: Uint8Array, extra: Uint8Array): ListedEntry {
  const name = decodeName(nameBytes);
  const flags = view.getUint16(at + 8, true);
  // Bit 0: encrypted; 5: patch data; 6: strong encryption; 13: encrypted directory.
  if ((flags & 0x2061) !== 0) throw damaged('it is encrypted', name);
  const method = view.getUint16(at + 10, true);
  if (method !== 0 && method !== 8) {
    const message = `entry ${name} of the zip archive is compressed by method ${method}; only stored and deflated are read: save the model again with torch.jit.save`;
    throw modelError('archive', message, { record: name });
  }
  const sizes = readSizes(view, at, extra, name);
  if (method === 0 && sizes.bytes !== sizes.storedBytes) throw damaged('its two sizes disagree', name);
  return {
    name,
    nameBytes,
    method: method === 0 ? 'stored' : 'deflated',
    crc32: view.getUint32(at + 16, true),
    ...sizes,
  };
}

/** Sizes and offset. Numbers that do not fit into 32 bits are in the zip64 extra field, in this order; the others are not there. */
function readSizes(
  view: DataView,
  at: number,
  extra: Uint8Array,
  name: string,
): { bytes: number; storedBytes: number; headerOffset: number } {
  const field = findExtra(extra, ZIP64_EXTRA);
  let next = 0;
  const wide = (value: number): number => {
    if (value !== MAX_U32) return value;
    if (field === undefined || next + 8 > field.byteLength) throw damaged('its zip64 sizes are missing', name);
    const wideValue = field.getBigUint64(next, true);
    next += 8;
    if (wideValue > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged('a size of more than 2^53 bytes', name);
    return Number(wideValue);
  };
  const bytes = wide(view.getUint32(at + 24, true));
  const storedBytes = wide(view.getUint32(at + 20, true));
  const headerOffset = wide(view.getUint32(at + 42, true));
  const disk = view.getUint16(at + 34, true);
  if (disk !== 0 && disk !== 0xffff) throw damaged('it is on another disk', name);
  return { bytes, storedBytes, headerOffset };
}

function findExtra(extra: Uint8Array, id: number): DataView | undefined {
  const view = new DataView(extra.buffer, extra.byteOffset, extra.byteLength);
  for (let at = 0; at + 4 <= extra.length;) {
    const length = view.getUint16(at + 2, true);
    if (at + 4 + length > extra.length) return undefined;
    if (view.getUint16(at, true) === id) return new DataView(extra.buffer, extra.byteOffset + at + 4, length);
    at += 4 + length;
  }
  return undefined;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeName(bytes: Uint8Array): string {
  let name: string;
  try {
    name = utf8.decode(bytes);
  } catch {
    throw damaged('a name that is not UTF-8');
  }
  const strange = /[\u0000-\u001f\u007f\\]/.test(name) || /^[A-Za-z]:/.test(name);
  const parts = (name.endsWith('/') ? name.slice(0, -1) : name).split('/');
  if (strange || parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw modelError(
      'archive',
      `the zip archive has an entry named ${JSON.stringify(name)}, which PyTorch does not write: refused`,
    );
  }
  return name;
}

/** Reads the entries' own headers. The data starts after the header's extra field, whose length is not in the directory. */
async function locateData(source: ByteSource, listed: readonly ListedEntry[], end: number): Promise<ZipEntry[]> {
  const headers = await readRanges(
    source,
    listed.map(({ headerOffset, nameBytes }) => ({ offset: headerOffset, length: LOCAL_BYTES + nameBytes.length })),
  );
  const entries = listed.map((entry, i): ZipEntry => {
    const header = headers[i] as Uint8Array;
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
    const sound =
      view.getUint32(0, true) === LOCAL_SIGNATURE &&
      view.getUint16(8, true) === (entry.method === 'stored' ? 0 : 8) &&
      (view.getUint16(6, true) & 0x2061) === 0 &&
      view.getUint16(26, true) === entry.nameBytes.length &&
      entry.nameBytes.every((byte, k) => byte === header[LOCAL_BYTES + k]);
    if (!sound) throw damaged('its own header does not match the directory', entry.name);
    const { name, method, crc32, storedBytes, bytes } = entry;
    const dataOffset = entry.headerOffset + header.length + view.getUint16(28, true);
    return { name, method, crc32, storedBytes, bytes, dataOffset };
  });
  refuseOverlaps(listed, entries, end);
  return entries;
}

function refuseOverlaps(listed: readonly ListedEntry[], entries: readonly ZipEntry[], end: number): void {
  const spans = entries.map((entry, i) => ({
    name: entry.name,
    start: (listed[i] as ListedEntry).headerOffset,
    end: entry.dataOffset + entry.storedBytes,
  }));
  spans.sort((a, b) => a.start - b.start);
  spans.forEach((span, i) => {
    if (span.end > (spans[i + 1]?.start ?? end)) throw damaged('it overlaps the next entry', span.name);
  });
}
