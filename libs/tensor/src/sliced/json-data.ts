import type { Tensor, TensorSpec } from '../datatype.ts';
import { findJsonError } from '../json-error.ts';
import { notJson, parseExactly, parseLeniently } from '../json-text.ts';
import { withoutWords } from '../json-words.ts';
import { pathOf, type NonFinite } from '../oip-json.ts';
import { elementCount } from '../shape.ts';
import { openSink, type DataSink } from './data-sink.ts';
import { endOfString, type JsonRange } from './json-head.ts';
import { MAX_STRETCH_BYTES, NestedScan, tooLong } from './nested-scan.ts';
import { STEP_BYTES, type Steps } from './steps.ts';

const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const ARRAY = 0x5b;

/**
 * Decodes the `data` of the protocol's JSON form in steps. It reads text, and makes no object for each array. Results and errors are those
 * of `decodeJsonData`. Takes the memory of the tensor and of a piece of the text.
 */
export function* decodeJsonRange(spec: TensorSpec, range: JsonRange, nonFinite: NonFinite): Steps<Tensor> {
  const { name, shape } = spec;
  const count = elementCount(shape, name);
  const { from, to } = range;
  const nested = isNested(range, shape);
  const sink = openSink({
    spec,
    count,
    pathOf: (index) => (nested ? pathOf(index, shape) : `[${index}]`),
    textBytes: to - from,
    nonFinite,
  });
  const reader = new PieceReader(range, spec, sink);
  if (range.isFlat) yield* readFlat(reader, range);
  else yield* readNested(reader, range, nested ? shape : [-1]);
  return sink.end();
}

/** Whether data have arrays in arrays, as the shape does. */
export function isNested({ bytes, from }: JsonRange, shape: readonly number[]): boolean {
  return shape.length > 1 && bytes[skipSpace(bytes, from + 1)] === ARRAY;
}

/** Parses pieces of the text of elements. */
class PieceReader {
  readonly #range: JsonRange;
  readonly name: string;
  readonly sink: DataSink;
  /** JSON.parse, or the slower parser if integers must stay exact. */
  readonly #parse: (text: string) => unknown;

  constructor(range: JsonRange, { name, datatype }: TensorSpec, sink: DataSink) {
    this.#range = range;
    this.name = name;
    this.sink = sink;
    this.#parse = datatype === 'INT64' || datatype === 'UINT64' ? parseExactly : JSON.parse;
  }

  /** Adds elements that commas separate. `from` is where the text is in the body. */
  add(text: string, from: number): void {
    let elements: readonly unknown[];
    try {
      elements = parseLeniently(`[${text}]`, this.#parse) as readonly unknown[];
    } catch (error) {
      // The bracket in front is not in the body.
      throw this.syntaxError(from + findJsonError(withoutWords(`[${text}]`)) - 1, error);
    }
    if (elements.length === 0) throw this.syntaxError(from + text.length);
    this.sink.add(elements);
  }

  /** Adds a part of the text of a long string. */
  addText(from: number, to: number): void {
    const text = `"${this.#range.bytes.toString('utf8', from, to)}"`;
    let value: string;
    try {
      value = JSON.parse(text) as string;
    } catch (error) {
      throw this.syntaxError(from + findJsonError(text) - 1, error);
    }
    this.sink.addText(value);
  }

  syntaxError(at: number, cause?: unknown): Error {
    const position = Math.min(at, this.#range.bytes.length);
    const rest = this.#range.bytes.toString('utf8', position, position + 16);
    return notJson({ rest, position, name: this.name }, cause);
  }
}

/** Numbers that commas separate. */
function* readFlat(reader: PieceReader, { bytes, from, to }: JsonRange): Steps<void> {
  let at = skipSpace(bytes, from + 1);
  const end = to - 1;
  if (at === end) return;
  while (at <= end) {
    let cut = end;
    if (end - at > STEP_BYTES) {
      cut = bytes.lastIndexOf(COMMA, at + STEP_BYTES);
      if (cut < at) cut = bytes.indexOf(COMMA, at);
      if (cut < 0 || cut > end) cut = end;
      if (cut - at > MAX_STRETCH_BYTES) throw tooLong(reader.name, reader.sink.length);
    }
    reader.add(bytes.toString('latin1', at, cut), at);
    at = cut + 1;
    yield;
  }
}

/** Strings, and arrays in arrays. */
function* readNested(reader: PieceReader, { bytes, from, to }: JsonRange, shape: readonly number[]): Steps<void> {
  const scan = new NestedScan(bytes, { from, to, shape, name: reader.name, sink: reader.sink });
  for (;;) {
    const stop = scan.next();
    if ('position' in stop) throw reader.syntaxError(stop.position);
    if (stop.text !== '') reader.add(stop.text, stop.from);
    if (stop.at === 'end') return;
    if (stop.at === 'long string') {
      const end = yield* endOfString(bytes, scan.at);
      yield* readLongString(reader, { bytes, from: scan.at, to: end });
      scan.skip(end + 1);
    }
    yield;
  }
}

/** A string in pieces. A piece does not end inside an escape, a character or a pair of surrogates. */
function* readLongString(
  reader: PieceReader,
  { bytes, from, to }: { readonly bytes: Buffer; readonly from: number; readonly to: number },
): Steps<void> {
  reader.sink.beginString();
  for (let at = from + 1; at < to;) {
    const cut = Math.min(to, endOfPiece(bytes, at, to));
    reader.addText(at, cut);
    at = cut;
    yield;
  }
  reader.sink.endString();
}

/** A position at least 64 KiB behind `from` where a string can be cut. */
function endOfPiece(bytes: Buffer, from: number, to: number): number {
  let cut = from;
  let isHalf = false;
  while (cut < to && (cut - from < STEP_BYTES || isHalf)) {
    const isEscape = bytes[cut] === BACKSLASH;
    const isUnicode = isEscape && bytes[cut + 1] === 0x75;
    // A high surrogate: the other half of the character comes next.
    isHalf = isUnicode && /^d[89ab]/i.test(bytes.toString('latin1', cut + 2, cut + 4));
    cut += isUnicode ? 6 : isEscape ? 2 : 1;
    while (((bytes[cut] ?? 0) & 0xc0) === 0x80) cut += 1;
  }
  return cut;
}

/** The first position that is not white space. Gives up after 64 KiB: data does not begin with so much of it. */
function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (at - from < STEP_BYTES && ' \t\n\r'.includes(String.fromCharCode(bytes[at] ?? 0))) at++;
  return at;
}
