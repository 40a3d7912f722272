const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;
const QUOTE = 34;

/** How the records of a text format are separated. */
export interface RecordSyntax {
  /** CSV: the byte between fields; a field that begins with `"` may contain newlines. Absent if every newline ends a record. */
  readonly delimiter?: number;
  /** Longest record, bytes. */
  readonly maxRecordBytes: number;
}

/** Why a record cannot be read. */
export type RecordFault = 'unclosed_quote' | 'too_long';

/** The position of a record in a buffer. */
export interface RecordSpan {
  readonly start: number;
  /** The index after its last byte, without the newline. */
  readonly end: number;
  /** The first byte of the next record. */
  readonly next: number;
  /** An empty line, which is not a row. Spaces are a value in CSV, and nothing in other formats. */
  readonly blank: boolean;
  readonly fault?: RecordFault;
}

/**
 * The records of a buffer that begins with a record. A record at the end whose end is not in the buffer is left out. A record that is longer
 * than allowed is the last one, and its `next` is -1.
 *
 * If a quote is not closed before the end of the data or within `maxRecordBytes`, only its line is a bad row: the next record begins after
 * that line. So a single wrong quote costs one row, not the rest of the file.
 */
export function scanRecords(
  bytes: Buffer,
  options: { readonly syntax: RecordSyntax; readonly atEnd: boolean },
): RecordSpan[] {
  const quoted = options.syntax.delimiter !== undefined;
  const spans: RecordSpan[] = [];
  // Searched once, not for every record: most files have no quotes.
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
  // The bytes end outside quotes. Only at the end of the data this is the end of the line.
  if (end === ENDS_HERE && atEnd) return lineSpan(bytes, from, -1, options);
  if (!atEnd && bytes.length - from <= syntax.maxRecordBytes) return undefined;
  const line = lineSpan(bytes, from, newline, options);
  return line !== undefined && line.fault === undefined ? { ...line, fault: 'unclosed_quote' } : line;
}

const ENDS_HERE = -2;

/** The newline that ends a record with quotes; ENDS_HERE if the bytes end outside quotes, undefined if they end inside quotes. */
function quotedEnd(bytes: Buffer, from: number, delimiter: number): number | undefined {
  let at = from;
  for (;;) {
    // At the start of a field.
    if (bytes[at] === QUOTE) {
      at = closingQuote(bytes, at + 1);
      if (at < 0) return undefined;
    }
    // Within a field, outside quotes: go to the next field or to the end of the record.
    const newline = bytes.indexOf(NEWLINE, at);
    const field = bytes.indexOf(delimiter, at);
    if (field >= 0 && (newline < 0 || field < newline)) at = field + 1;
    else return newline >= 0 ? newline : ENDS_HERE;
  }
}

/** The byte after the quote that closes a field; -1 if there is none. */
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
  const isLine = options.syntax.delimiter === undefined;
  return { start, end, next, blank: end === start || (isLine && isSpace(bytes, start, end)) };
}

/** Whether there are only spaces and tabs. */
function isSpace(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== SPACE && bytes[at] !== TAB) return false;
  return true;
}
