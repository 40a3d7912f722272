const NEWLINE = 10;
const RETURN = 13;
const QUOTE = 34;

/** How records of a text format are told apart. */
export interface RecordSyntax {
  /** CSV: a field that begins with `"` may hold newlines. The byte between fields; absent where newlines always end a record. */
  readonly delimiter?: number;
  /** Longest record, bytes. */
  readonly maxRecordBytes: number;
}

/** Why a record can't be read. */
export type RecordFault = 'unclosed_quote' | 'too_long';

/** A record's place in a buffer. */
export interface RecordSpan {
  readonly start: number;
  /** After its last byte, the newline left out. */
  readonly end: number;
  /** Where the next record begins. */
  readonly next: number;
  /** No bytes but a newline: not a row. */
  readonly blank: boolean;
  readonly fault?: RecordFault;
}

/**
 * The records of a buffer that begins with one; those at its end that need more bytes to be known are left out. A record that is too
 * long for the buffer is the last one, with -1 as its `next`.
 *
 * A quote that is never closed (by the end of the data, or within `maxRecordBytes`) spoils its own line only: the next record
 * begins after that line. So one stray quote costs one row and not the rest of the file.
 */
export function scanRecords(
  bytes: Buffer,
  options: { readonly syntax: RecordSyntax; readonly atEnd: boolean },
): RecordSpan[] {
  const quoted = options.syntax.delimiter !== undefined;
  const spans: RecordSpan[] = [];
  // Looked for once and not for every record: most files have none.
  let quote = quoted ? bytes.indexOf(QUOTE) : -1;
  for (let at = 0; at < bytes.length;) {
    const newline = bytes.indexOf(NEWLINE, at);
    if (quote >= 0 && quote < at) quote = bytes.indexOf(QUOTE, at);
    const hasQuote = quote >= 0 && (newline < 0 || quote < newline);
    const span = hasQuote ? quotedSpan(bytes, at, newline, options) : lineSpan(bytes, at, newline, options);
    if (span === undefined) break;
    spans.push(span);
    if (span.next < 0) break;
    at = span.next;
  }
  return spans;
}

interface ScanOptions {
  readonly syntax: RecordSyntax;
  readonly atEnd: boolean;
}

function quotedSpan(bytes: Buffer, from: number, newline: number, options: ScanOptions): RecordSpan | undefined {
  const { syntax, atEnd } = options;
  const end = quotedEnd(bytes, from, syntax.delimiter ?? 0);
  if (end !== undefined && end >= 0) return lineSpan(bytes, from, end, options);
  // Outside quotes at the end of the bytes: whether its line ends here is known only at the end of the data.
  if (end === ENDS_HERE && atEnd) return lineSpan(bytes, from, -1, options);
  if (!atEnd && bytes.length - from <= syntax.maxRecordBytes) return undefined;
  const line = lineSpan(bytes, from, newline, options);
  return line !== undefined && line.fault === undefined ? { ...line, fault: 'unclosed_quote' } : line;
}

const ENDS_HERE = -2;

/** The newline at which a record with quotes ends; ENDS_HERE where the data end outside quotes first, undefined where inside. */
function quotedEnd(bytes: Buffer, from: number, delimiter: number): number | undefined {
  let at = from;
  for (;;) {
    // At the beginning of a field.
    if (bytes[at] === QUOTE) {
      at = closingQuote(bytes, at + 1);
      if (at < 0) return undefined;
    }
    // Within a field, outside quotes: to the next field or the end of the record, whichever comes first.
    const newline = bytes.indexOf(NEWLINE, at);
    const field = bytes.indexOf(delimiter, at);
    if (field >= 0 && (newline < 0 || field < newline)) at = field + 1;
    else return newline >= 0 ? newline : ENDS_HERE;
  }
}

/** The byte after the quote that closes a field; -1 where none does. */
function closingQuote(bytes: Buffer, from: number): number {
  let quote = bytes.indexOf(QUOTE, from);
  while (quote >= 0 && bytes[quote + 1] === QUOTE) quote = bytes.indexOf(QUOTE, quote + 2);
  return quote < 0 ? -1 : quote + 1;
}

function lineSpan(bytes: Buffer, start: number, newline: number, options: ScanOptions): RecordSpan | undefined {
  const { maxRecordBytes } = options.syntax;
  if (newline < 0 && !options.atEnd) {
    if (bytes.length - start <= maxRecordBytes) return undefined;
    return { start, end: start, next: -1, blank: false, fault: 'too_long' };
  }
  const stop = newline < 0 ? bytes.length : newline;
  const end = stop > start && bytes[stop - 1] === RETURN ? stop - 1 : stop;
  const next = newline < 0 ? stop : newline + 1;
  if (stop - start > maxRecordBytes) return { start, end: start, next, blank: false, fault: 'too_long' };
  return { start, end, next, blank: end === start };
}
