import { isUtf8 } from 'node:buffer';
import { unpackDelta } from './delta.ts';
import { PageProblem } from './page-header.ts';

/** Most bytes of the values of a page if each value repeats the beginning of the previous one. */
const MAX_REPEATED_BYTES = 256 * 1024 ** 2;

/** The rest of a page, and the number of its values. */
export interface ValueBytes {
  readonly bytes: Uint8Array;
  readonly count: number;
}

/** The type that the bytes of a value become. */
export type ByteArrayKind = 'text' | 'bytes' | 'unknown';

/** Byte arrays in sequence, each after its length. */
export function plainByteArrays({ bytes, count }: ValueBytes, kind: ByteArrayKind): unknown[] {
  if (count * 4 > bytes.byteLength) throw cutOff();
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Array<unknown>(count);
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (at + 4 > buffer.length) throw cutOff();
    const start = at + 4;
    at = start + buffer.readUInt32LE(at);
    if (at > buffer.length) throw cutOff();
    values[index] = valueOf(buffer, start, at, kind);
  }
  return values;
}

/** The lengths of all byte arrays, then the byte arrays (DELTA_LENGTH_BYTE_ARRAY). */
export function deltaLengthByteArrays({ bytes, count }: ValueBytes, kind: ByteArrayKind): unknown[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { lengths, next } = readLengths(bytes, 0, count);
  let at = next;
  return Array.from(lengths, (length) => {
    const start = at;
    at += length;
    if (length < 0 || at > buffer.length) throw cutOff();
    return valueOf(buffer, start, at, kind);
  });
}

/** Byte arrays that repeat the beginning of the previous one (DELTA_BYTE_ARRAY). */
export function deltaByteArrays({ bytes, count }: ValueBytes, kind: ByteArrayKind): unknown[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const prefixes = readLengths(bytes, 0, count);
  const suffixes = readLengths(bytes, prefixes.next, count);
  let at = suffixes.next;
  let before: Buffer = Buffer.alloc(0);
  let whole = 0;
  return Array.from(suffixes.lengths, (length, index) => {
    const prefix = prefixes.lengths[index] ?? 0;
    const start = at;
    at += length;
    whole += prefix + length;
    if (length < 0 || prefix < 0 || prefix > before.length || at > buffer.length) throw cutOff();
    if (whole > MAX_REPEATED_BYTES) throw new PageProblem(`the values of a page have more than ${whole} bytes`);
    before =
      prefix === 0
        ? buffer.subarray(start, at)
        : Buffer.concat([before.subarray(0, prefix), buffer.subarray(start, at)], prefix + length);
    return valueOf(before, 0, before.length, kind);
  });
}

function readLengths(bytes: Uint8Array, offset: number, count: number): { lengths: Int32Array; next: number } {
  const lengths = new Int32Array(count);
  return { lengths, next: unpackDelta(bytes, offset, lengths) };
}

function valueOf(buffer: Buffer, start: number, end: number, kind: ByteArrayKind): unknown {
  if (kind === 'text') return buffer.toString('utf8', start, end);
  const bytes = buffer.subarray(start, end);
  // Bytes without an annotation may be text: older writers did not write it.
  if (kind === 'unknown' && isUtf8(bytes)) return bytes.toString('utf8');
  return bytes;
}

function cutOff(): PageProblem {
  return new PageProblem('a page ends before its values do');
}
