import { readInto, type ByteSource } from '@sconce/storage';
import { scanRecords, type RecordSpan, type RecordSyntax } from './record-scanner.ts';

const WINDOW_BYTES = 1024 * 1024;
const NEWLINE = 10;

/** Records that follow each other, and the bytes that hold them: as long as no other window is asked for, whose memory they share. */
export interface RecordWindow {
  readonly bytes: Buffer;
  /** Place of `bytes` in the source. */
  readonly offset: number;
  /** Blank lines among them. What has a fault may have no bytes here. */
  readonly spans: readonly RecordSpan[];
  /** Place in the source of what follows the last one. */
  readonly next: number;
}

/**
 * The records of `[from, to)` of a source, a window at a time: memory stays at a window and the longest record allowed, however long
 * the lines are. `from` is the beginning of a record. What is cut off by `to` counts as whole: give the end of a record, or of the source.
 */
export async function* recordWindows(
  source: ByteSource,
  range: { readonly from: number; readonly to: number },
  syntax: RecordSyntax,
): AsyncGenerator<RecordWindow, void, undefined> {
  let offset = range.from;
  let read = range.from;
  // One buffer for all windows: what is left of one moves to its front.
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
    // The last one is longer than any may be: the rest of its line is passed over.
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

/** Where the line ends that `from` is in. */
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
