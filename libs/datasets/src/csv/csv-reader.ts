import { isUtf8 } from 'node:buffer';
import Papa from 'papaparse';
import type { OpenByteSource } from '@sconce/storage';
import { datasetError, listed, placesOf, repeated, shown } from '../dataset-error.ts';
import type { DatasetReader, ReadOptions } from '../dataset-reader.ts';
import { MAX_RECORD_BYTES } from '../limits.ts';
import type { RecordSpan, RecordSyntax } from '../text/record-scanner.ts';
import { recordWindows } from '../text/record-windows.ts';
import { planText } from '../text/text-plan.ts';
import { readText, type ParsedRows, type RecordParser } from '../text/text-rows.ts';
import { checkHeader } from './csv-header.ts';
import { SKIPPED, readNumberFields, textPlace, type FieldPlan } from './number-fields.ts';

/** The format of a CSV file. Quotes are `"`, doubled within a quoted field (RFC 4180); lines end with LF or CRLF. */
export interface CsvOptions {
  /** The ASCII character between fields. Default: a comma. */
  readonly delimiter?: string | undefined;
  /**
   * Whether the first record has the names of the columns. Without it, columns are named `0`, `1`, …. Default: true, unless all names
   * are numbers: then the file is refused, because its header may be missing.
   */
  readonly header?: boolean | undefined;
  /** How numbers are written. */
  readonly decimal?: string | undefined;
  readonly thousands?: string | undefined;
}

/** The options of a CSV file of that name: fields of a `.tsv` file are separated by tabs, unless the options say otherwise. */
export function csvOptions(file: string, { delimiter, ...options }: CsvOptions = {}): CsvOptions {
  const tab = delimiter === undefined && /\.tsv(\.(gz|zst))?$/i.test(file) ? '\t' : delimiter;
  return { ...options, delimiter: tab };
}

const BOM = [0xef, 0xbb, 0xbf];
const EMPTY = new Uint8Array(0);
const QUOTE = 34;
const RETURN = 13;

/** Opens a CSV file. @throws SconceError `invalid_dataset` if its header cannot be read or names a column twice. */
export async function openCsv(source: OpenByteSource, options: CsvOptions): Promise<DatasetReader> {
  const { delimiter = ',', header } = options;
  if (!/^[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x7f]$/.test(delimiter)) {
    throw datasetError(
      `The delimiter is ${shown(delimiter)}: use one ASCII character that is not a quote and not a newline.`,
    );
  }
  const syntax: RecordSyntax = { delimiter: delimiter.charCodeAt(0), maxRecordBytes: MAX_RECORD_BYTES };
  const begin = await bomLength(source);
  const first = await firstRecord(source, begin, syntax);
  const width = parseRecord(first.text, delimiter).cells;
  const names = header === false ? width.map((_, index) => String(index)) : width.map((name) => name.trim());
  if (header === undefined) checkHeader(names);
  const twice = repeated(names);
  if (twice.length > 0) {
    throw datasetError(`The header names ${listed(twice)} more than once: give each column a name of its own.`);
  }
  return {
    columns: names.map((name) => ({ name })),
    closed: true,
    start: { row: 0, offset: header === false ? begin : first.next },
    plan: (from, size) => planText(source, from, { size, syntax }),
    read: (read) => readText(source, read, { syntax, parser: new CsvParser(names, read, delimiter) }),
    [Symbol.asyncDispose]: () => source.close(),
  };
}

/** Length of a UTF-8 byte order mark, if there is one. */
async function bomLength(source: OpenByteSource): Promise<number> {
  if (source.size < BOM.length) return 0;
  const bytes = await source.read(0, BOM.length);
  return BOM.every((byte, index) => bytes[index] === byte) ? BOM.length : 0;
}

async function firstRecord(
  source: OpenByteSource,
  from: number,
  syntax: RecordSyntax,
): Promise<{ readonly text: string; readonly next: number }> {
  for await (const { bytes, offset, spans, next } of recordWindows(source, { from, to: source.size }, syntax)) {
    const span = spans.find(({ blank }) => !blank);
    if (span === undefined) continue;
    if (span.fault !== undefined) {
      throw datasetError(
        span.fault === 'too_long'
          ? `The first line is longer than ${syntax.maxRecordBytes} bytes: the file is not CSV, or its lines do not end with LF or CRLF.`
          : 'The first line has a quoted field without a closing quote.',
      );
    }
    if (!isUtf8(bytes.subarray(span.start, span.end))) {
      throw datasetError(
        'The first line of the CSV file is not valid UTF-8: name the encoding of the file ("encoding", --encoding), such as latin1 or shift_jis.',
        { param: 'encoding' },
      );
    }
    return { text: bytes.toString('utf8', span.start, span.end), next: span.next < 0 ? next : offset + span.next };
  }
  throw datasetError('The file is empty: a CSV file begins with a line of column names.');
}

class CsvParser implements RecordParser {
  readonly at: readonly number[];
  readonly numbers: number;
  readonly #names: readonly string[];
  readonly #delimiter: string;
  /** Indexes of the columns in the order of the parsed rows: text columns first, then number columns. */
  readonly #order: readonly number[];
  readonly #plan: FieldPlan;
  /** Number of columns that are read as text. They come first in `#order`. */
  readonly #texts: number;

  constructor(names: readonly string[], { columns, numbers = [] }: ReadOptions, delimiter: string) {
    this.#names = names;
    this.#delimiter = delimiter;
    this.numbers = numbers.length;
    const areNumbers = new Set(numbers);
    const texts = columns.filter((name) => !areNumbers.has(name));
    this.#texts = texts.length;
    const order = [...texts, ...numbers];
    const places = placesOf(order);
    const placeInFile = placesOf(names);
    this.#order = order.map((name) => placeInFile.get(name) ?? -1);
    this.at = columns.map((name) => places.get(name) ?? -1);
    this.#plan = new Int32Array(names.length).fill(SKIPPED);
    for (const [place, name] of texts.entries()) this.#plan[placeInFile.get(name) ?? -1] = textPlace(place);
    for (const [place, name] of numbers.entries()) this.#plan[placeInFile.get(name) ?? -1] = place;
  }

  parse(bytes: Buffer, spans: readonly RecordSpan[], into: ParsedRows): void {
    const first = spans[0];
    const last = spans.at(-1);
    if (first === undefined || last === undefined) return;
    const region = bytes.subarray(first.start, last.end);
    if (this.#texts > 0 && !isUtf8(region)) {
      for (const span of spans) this.#addRecord(bytes, span, into);
      return;
    }
    const hasQuotes = region.includes(QUOTE);
    if (into.numbers !== undefined && !hasQuotes) {
      for (const span of spans) this.#addNumbers(bytes, span, into);
      return;
    }
    const rows = hasQuotes ? undefined : this.#parsePlain(region, spans.length);
    if (rows !== undefined) {
      for (const cells of rows) this.#add(cells, into);
      return;
    }
    for (const span of spans) this.#addRecord(bytes, span, into);
  }

  #addNumbers(bytes: Buffer, span: RecordSpan, into: ParsedRows): void {
    const row = into.rows.length;
    const texts: string[] = [];
    const isRead =
      into.numbers !== undefined &&
      readNumberFields(bytes, span, {
        plan: this.#plan,
        delimiter: this.#delimiter.charCodeAt(0),
        numbers: into.numbers.values,
        at: row * this.numbers,
        texts,
      });
    if (isRead) into.rows.push(texts);
    else this.#addRecord(bytes, span, into);
  }

  #addRecord(bytes: Buffer, { start, end }: RecordSpan, into: ParsedRows): void {
    if (this.#texts > 0 && !isUtf8(bytes.subarray(start, end))) {
      this.#addOtherText(bytes, { start, end }, into);
      return;
    }
    const { cells, problem } = parseRecord(bytes.toString('utf8', start, end), this.#delimiter);
    if (problem !== undefined) into.problems.set(into.rows.length, { message: problem });
    this.#add(cells, into);
  }

  /** A record that is not UTF-8: it is bad if a column that is read is not. */
  #addOtherText(bytes: Buffer, { start, end }: { start: number; end: number }, into: ParsedRows): void {
    // As Latin-1 each byte is one character, and quotes and delimiters are those of UTF-8.
    const { cells, problem } = parseRecord(bytes.toString('latin1', start, end), this.#delimiter);
    const raw = cells.map((cell) => Buffer.from(cell, 'latin1'));
    const wrong = this.#order.slice(0, this.#texts).find((column) => !isUtf8(raw[column] ?? EMPTY));
    if (problem !== undefined) into.problems.set(into.rows.length, { message: problem });
    else if (wrong !== undefined) {
      const message = 'the text is not valid UTF-8; if the file has another encoding, name it ("encoding", --encoding)';
      into.problems.set(into.rows.length, { message, column: this.#names[wrong] });
    }
    this.#add(
      raw.map((cell) => cell.toString('utf8')),
      into,
    );
  }

  /** Parses many records without quotes at once. Undefined if there are blank lines between them. */
  #parsePlain(region: Buffer, records: number): readonly string[][] | undefined {
    const text = region.toString('utf8');
    const { data } = Papa.parse<string[]>(text, { delimiter: this.#delimiter, newline: '\n', fastMode: true });
    if (data.length !== records) return undefined;
    if (region.includes(RETURN)) {
      for (const cells of data) {
        const end = cells.length - 1;
        const cell = cells[end];
        if (cell?.endsWith('\r') === true) cells[end] = cell.slice(0, -1);
      }
    }
    return data;
  }

  #add(cells: readonly string[], into: ParsedRows): void {
    const expected = this.#names.length;
    if (cells.length !== expected && !into.problems.has(into.rows.length)) {
      const missing = this.#names[cells.length];
      const message =
        missing === undefined
          ? `the row has ${cells.length} fields; the header names ${expected} columns`
          : `the row has ${cells.length} fields; the header names ${expected} columns, and ${shown(missing)} is the first without a field`;
      into.problems.set(into.rows.length, { message, column: missing });
    }
    into.numbers?.rest.push(into.rows.length);
    into.rows.push(this.#order.map((column) => cells[column]));
  }
}

function parseRecord(
  text: string,
  delimiter: string,
): { readonly cells: readonly string[]; readonly problem?: string } {
  const { data, errors } = Papa.parse<string[]>(text, { delimiter, newline: '\n' });
  const [error] = errors;
  // A record has no newline outside quotes. Several results mean that a quote inside a field misled the parser.
  const cells = data.length === 1 ? (data[0] ?? []) : data.flat();
  if (error === undefined && data.length <= 1) return { cells };
  return { cells, problem: 'a quoted field is not well-formed: a quote within it must be doubled' };
}
