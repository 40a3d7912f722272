import { SconceError } from '@sconce/errors';
import { measureJson, type JsonBounds } from '@sconce/tensor';
import { invalidRequest } from './invalid-request.ts';

/** Bounds of the JSON of routes that take no tensors: parsing and checking it takes some milliseconds. */
export const SMALL_JSON: JsonBounds & { readonly maxBytes: number } = {
  maxBytes: 1024 ** 2,
  maxValues: 8_192,
  maxDepth: 32,
};

/**
 * Parses JSON that is small. It is measured before objects are made of it.
 * @param param the body, or the part of a form.
 * @throws SconceError `payload_too_large` or `invalid_request` that names the bound.
 */
export function parseSmallJson(bytes: Uint8Array, param: string): unknown {
  const { maxBytes, maxValues, maxDepth } = SMALL_JSON;
  const refuse = (what: string, most: number): SconceError =>
    invalidRequest(param, `The JSON of ${param} has ${what}; expected at most ${most}.`);
  if (bytes.byteLength > maxBytes) throw smallBodyTooLarge(maxBytes, param);
  const { values, depth } = measureJson(bytes, SMALL_JSON);
  if (values > maxValues) throw refuse(`at least ${values} values`, maxValues);
  if (depth > maxDepth) throw refuse(`values nested at least ${depth} levels deep`, maxDepth);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    const message = `The ${param} is not JSON: ${(cause as Error).message}`;
    throw new SconceError('invalid_request', message, { details: { param }, cause });
  }
}

/** The error for a body, or a part of a form, of a route that takes no tensors. */
export function smallBodyTooLarge(maxBytes: number, param = 'body'): SconceError {
  const message = `The ${param} has more than ${maxBytes} bytes; this route takes at most ${maxBytes}.`;
  return new SconceError('payload_too_large', message, { details: { param, max_bytes: maxBytes } });
}
