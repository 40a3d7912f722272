import { SconceError } from '@sconce/errors';
import { wordOf } from './json-words.ts';

const SHOWN_CHARS = 100;

/** An 'invalid_tensor' error. The message starts with the tensor's name, and `details.param` is that name. */
export function tensorError(name: string, message: string): SconceError {
  return new SconceError('invalid_tensor', `tensor ${quote(name)}: ${message}`, { details: { param: shorten(name) } });
}

/** An 'invalid_request' error. `details.param` is the field, header or output that is wrong. */
export function requestError(param: string, message: string): SconceError {
  return new SconceError('invalid_request', message, { details: { param: shorten(param) } });
}

/** A string from outside as a message shows it: quoted, escaped, and at most 100 characters long. */
export function quote(text: string): string {
  return JSON.stringify(shorten(text));
}

/** A JSON value from outside as a message shows it: its type, and its value if that is short. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length} ${value.length === 1 ? 'element' : 'elements'}`;
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return wordOf(value) ?? `the string ${quote(value)}`;
  return String(value);
}

/** Cuts a string from outside to a length that a message or a log line can hold. */
function shorten(text: string): string {
  return text.length <= SHOWN_CHARS ? text : `${text.slice(0, SHOWN_CHARS)}…`;
}
