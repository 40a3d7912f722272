import { constants, isUtf8 } from 'node:buffer';
import { SconceError } from '@sconce/errors';
import { findJsonError } from './json-error.ts';
import { parseWithWords, withoutWords } from './json-words.ts';
import { quote, requestError } from './tensor-error.ts';

/** An integer of 16 or more digits as a value. Only such integers can lose precision as a double. */
const LONG_INTEGER = /[[,:\s]-?\d{16,}(?![\d.eE])/;
/** Characters of the longest 64-bit integers. A longer integer fits no datatype, so it stays an (inexact) number. */
const MAX_INTEGER_CHARS = 20;
/** The largest number of nested levels in a field that the protocol does not define. */
const MAX_DEPTH = 64;

type SourceReviver = (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown;
// Node passes the source text of primitives to revivers. TypeScript does not declare this parameter yet.
const parseWithSource = JSON.parse as (text: string, reviver: SourceReviver) => unknown;

/**
 * Parses a JSON body. Integers above 2^53 inside an array, or as the scalar `data` of a tensor, become bigint, so INT64
 * and UINT64 stay exact. This needs a slower parser, which runs only if the text has such an integer.
 *
 * Throws 'invalid_request' for invalid UTF-8, for text that is not JSON, and for nesting that is too deep. For text that
 * is not JSON the message has the position and the name of the tensor, and for NaN and Infinity it says what to do.
 * Throws 'payload_too_large' for a body longer than the longest JavaScript string.
 */
export function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > constants.MAX_STRING_LENGTH) {
    throw new SconceError(
      'payload_too_large',
      `JSON has ${bytes.length} bytes; expected at most ${constants.MAX_STRING_LENGTH}: send tensors as binary`,
    );
  }
  if (!isUtf8(bytes)) throw requestError('body', 'body is not valid UTF-8; expected JSON in UTF-8');
  return parseJsonText(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
}

/** As `parseJson`, for text. `positionOf` gives the position that messages show of a position in the text. */
export function parseJsonText(
  text: string,
  positionOf: (position: number) => number = (position) => position,
): unknown {
  try {
    return parseLeniently(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw syntaxError(text, error, positionOf);
    throw new SconceError('invalid_request', 'body is JSON that is nested too deeply to read', { cause: error });
  }
}

/**
 * Parses text with `parse`. If it has NaN, Infinity or -Infinity as elements of arrays, as Python's and RapidJSON's writers put them there,
 * each becomes a string that float tensors take for the number. @throws SyntaxError if the text is not JSON apart from that.
 */
export function parseLeniently(text: string, parse: (text: string) => unknown = parseExactly): unknown {
  try {
    return parse(text);
  } catch (error) {
    const value = error instanceof SyntaxError ? parseWithWords(text, parse) : undefined;
    if (value === undefined) throw error;
    return value;
  }
}

/** JSON.parse, with integers above 2^53 in arrays, and as `data`, as bigint. */
export function parseExactly(text: string): unknown {
  return LONG_INTEGER.test(text) ? parseWithSource(text, reviveLongInteger) : JSON.parse(text);
}

/**
 * A copy of a value of `parseJson` in which every bigint has become an (inexact) number, as JSON.parse returns it.
 * Throws 'invalid_request' with `param` for more than MAX_DEPTH nested levels, so that it can be stored safely.
 */
export function withoutBigints(value: unknown, param: string, depth = 0): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) throw requestError(param, `${param} is nested more than ${MAX_DEPTH} levels deep`);
  if (Array.isArray(value)) return value.map((member) => withoutBigints(member, param, depth + 1));
  const members = Object.entries(value).map(
    ([key, member]) => [key, withoutBigints(member, param, depth + 1)] as const,
  );
  return Object.fromEntries(members);
}

function reviveLongInteger(this: unknown, key: string, value: unknown, context: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  if (key !== 'data' && !Array.isArray(this)) return value;
  const { source } = context;
  return source !== undefined && source.length <= MAX_INTEGER_CHARS && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

function syntaxError(text: string, cause: SyntaxError, positionOf: (position: number) => number): SconceError {
  const position = findJsonError(withoutWords(text));
  const name = nameBefore(text, position);
  return notJson({ rest: text.slice(position, position + 16), position: positionOf(position), name }, cause);
}

/** The error for text that is no JSON from `position` on, where it has `rest` (empty at the end of the text). */
export function notJson(
  { rest, position, name }: { readonly rest: string; readonly position: number; readonly name?: string | undefined },
  cause?: unknown,
): SconceError {
  const where = `position ${position}${name === undefined ? '' : `, while reading tensor ${quote(name)}`}`;
  const special = /^-?(?:nan|inf(?:inity)?)\b/i.exec(rest)?.[0];
  const codePoint = rest.codePointAt(0);
  let message: string;
  if (special !== undefined) {
    message = `${special} at ${where}: expected a JSON value, or NaN, Infinity or -Infinity as an element of a tensor`;
  } else if (codePoint === undefined) {
    message = `it ends too early, at ${where}`;
  } else {
    message = `unexpected ${quote(String.fromCodePoint(codePoint))} at ${where}`;
  }
  return new SconceError('invalid_request', `body is not JSON: ${message}`, {
    details: { param: name ?? 'body' },
    cause,
  });
}

/** The value of the nearest `"name"` before a position. In broken text this is a guess. */
function nameBefore(text: string, position: number): string | undefined {
  const start = text.lastIndexOf('"name"', position);
  if (start < 0) return undefined;
  return /^"name"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text.slice(start, Math.min(position, start + 300)))?.[1];
}
