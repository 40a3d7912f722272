import { constants, isUtf8 } from 'node:buffer';
import { SconceError } from '@sconce/errors';
import { findJsonError } from './json-error.ts';
import { quote, requestError } from './tensor-error.ts';

/** An integer of 16 or more digits standing as a value: only these can lose precision as a double. */
const LONG_INTEGER = /[[,:\s]-?\d{16,}(?![\d.eE])/;
/** Digits of the largest 64-bit integers. What is longer fits no datatype, so it stays an (inexact) number. */
const MAX_INTEGER_CHARS = 20;
/** Most levels of nesting in a field that the protocol does not know. */
const MAX_DEPTH = 64;

type SourceReviver = (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown;
// Node passes the source text of primitives to revivers; TypeScript's library does not declare it yet.
const parseWithSource = JSON.parse as (text: string, reviver: SourceReviver) => unknown;

/**
 * Parses a JSON body. Integers above 2^53 that stand in an array, or as a tensor's scalar `data`, come as bigint, so
 * that INT64 and UINT64 lose nothing; the slower parse that this takes runs only when the text has such an integer.
 *
 * Throws 'invalid_request' for invalid UTF-8, for text that is not JSON (with the position, the tensor being read, and,
 * where the text is NaN or Infinity, what to do), and for nesting too deep to read; 'payload_too_large' for a body
 * longer than a JavaScript string can be.
 */
export function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > constants.MAX_STRING_LENGTH) {
    throw new SconceError(
      'payload_too_large',
      `JSON has ${bytes.length} bytes; expected at most ${constants.MAX_STRING_LENGTH}: send tensors as binary`,
    );
  }
  if (!isUtf8(bytes)) throw requestError('body', 'body is not valid UTF-8, which JSON must be');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  try {
    return LONG_INTEGER.test(text) ? parseWithSource(text, reviveLongInteger) : JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw explain(text, error);
    throw new SconceError('invalid_request', 'body is JSON that is nested too deeply to read', { cause: error });
  }
}

/**
 * The value with every bigint that `parseJson` left in it as an (inexact) number, as plain JSON would have read it.
 * Throws 'invalid_request', with `param`, for nesting beyond MAX_DEPTH: for what comes from outside and is kept.
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

function explain(text: string, cause: SyntaxError): SconceError {
  const position = findJsonError(text);
  const name = nameBefore(text, position);
  const where = `position ${position}${name === undefined ? '' : `, while reading tensor ${quote(name)}`}`;
  const special = /^-?(?:nan|inf(?:inity)?)\b/i.exec(text.slice(position, position + 16))?.[0];
  const codePoint = text.codePointAt(position);
  let message: string;
  if (special !== undefined) {
    message = `${special} at ${where}: JSON cannot carry NaN or Infinity; send the tensor as binary (parameters.binary_data_size)`;
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

/** The value of the nearest `"name"` before a position: as good a guess as broken text allows. */
function nameBefore(text: string, position: number): string | undefined {
  const start = text.lastIndexOf('"name"', position);
  if (start < 0) return undefined;
  return /^"name"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text.slice(start, Math.min(position, start + 300)))?.[1];
}
