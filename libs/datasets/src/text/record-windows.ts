import { readInto, type ByteSource } from '@sconce/storage';
import { scanRecords, type RecordSpan, type RecordSyntax } from './record-scanner.ts';

const WINDOW_BYTES = 1024 * 1024;
const NEWLINE = 10;

/** Consecutive records and their bytes. The bytes are valid until the next window is read, which uses the same memory. */
export interface RecordWindow {
  readonly bytes: Buffer;
  /** Offset of `bytes` in the source. */
  readonly offset: number;
  /** Includes blank lines. The bytes of a record with a fault may be missing. */
  readonly spans: readonly RecordSpan[];
  /** Offset in the source of the first byte after the last record. */
  readonly next: number;
}

/**
 * The records of `[from, to)` of a source, in windows. Memory is bounded by one window and the longest allowed record, however long the
 * lines are. `from` must be the start of a record, and `to` the end of a record or of the source.
 */
export async function* recordWindows(
  source: ByteSource,
  range: { readonly from: number; readonly to: number },
  syntax: RecordSyntax,
): AsyncGenerator<RecordWindow, void, undefined> {
  let offset = range.from;
  let read = range.from;
  // One buffer for all windows. The rest of one window moves to the front.
  let memory: Buffer = Buffer.allocUnsafeSlow(Math.min(2 * WINDOW_BYTES, Math.max(1, range.to - range.from)));
  let rest = 0;
  while (offset < range.to) {
    const length = Math.min(WINDOW_BYTES, range.to - read);
    if (rest + length > memory.length) memory = grown(memory, rest + length);
    if (length > 0) await readInto(source, read, memory.subarray(rest, rest + length));
    read += length;
    const bytes = memory.subarray(0, rest + length);
    const atEnd = read === range.to;
    const spans = scanRecords(bytes, { syntax, atEnd });
    const end = spans.at(-1)?.next ?? 0;
    // The last record is longer than allowed: the rest of its line is skipped.
    const skip = end < 0;
    const at = skip ? bytes.length : end;
    offset += at;
    rest = bytes.length - at;
    const begin = offset - at;
    if (skip) {
      offset = await endOfLine(source, offset, range.to);
      read = offset;
      rest = 0;
    }
    if (spans.length > 0) yield { bytes, offset: begin, spans, next: offset };
    memory.copyWithin(0, at, at + rest);
  }
}

function grown(memory: Buffer, needed: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, memory.length * 2));
  memory.copy(larger);
  return larger;
}

/** The end of the line that contains `from`. */
async function endOfLine(source: ByteSource, from: number, to: number): Promise<number> {
  for (let at = from; at < to;) {
    const bytes = asBuffer(await source.read(at, Math.min(WINDOW_BYTES, to - at)));
    const newline = bytes.indexOf(NEWLINE);
    if (newline >= 0) return at + newline + 1;
    at += bytes.length;
  }
  return to;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
