import * as z from 'zod';
import { errorBodySchema, protocolErrorSchema } from '../errors/error-bodies.ts';
import type { RouteContent, RouteResponse } from './route.ts';

/** Bytes of any kind. */
export const bytesSchema = z.string().meta({ format: 'binary' });

/** An answer of JSON. */
export function json(
  description: string,
  schema: z.ZodType,
  more: Pick<RouteResponse, 'headers'> & Pick<RouteContent, 'examples'> = {},
): RouteResponse {
  const { headers, examples } = more;
  return { description, content: { 'application/json': { schema, examples } }, headers };
}

/** An answer of bytes or text. */
export function contentOf(mediaType: string, description: string, headers?: RouteResponse['headers']): RouteResponse {
  return { description, content: { [mediaType]: { schema: bytesSchema } }, headers };
}

const RETRY_AFTER = { 'Retry-After': 'Seconds after which to try again.' };

/** What each status of a failure means, unless a route says more. */
const FAILURES = {
  400: 'The request is wrong; `param` names the field.',
  401: 'No valid API key was sent.',
  403: 'The key lacks the scope.',
  404: 'There is no such thing.',
  409: 'The state does not allow this.',
  413: 'The body is larger than allowed.',
  415: 'The body is encoded in an unknown way.',
  422: 'The body is well-formed, but cannot be processed.',
  429: 'Too much is waiting, or the key sends too much.',
  500: 'An internal error.',
  501: 'The server does not support this.',
  503: 'Redis, the blob store or the model is not available now.',
  504: 'No answer came within the timeout.',
} as const;

export type FailureStatus = keyof typeof FAILURES;

/** Failures of a route, by status; `true` is the general description. */
export type Failures = Partial<Record<FailureStatus, string | true>>;

/** The answers to failed requests, in OpenAI’s form. */
export function failures(byStatus: Failures): Record<number, RouteResponse> {
  return failuresOf(byStatus, errorBodySchema);
}

/** The answers to failed requests, in the form of the Open Inference Protocol. */
export function protocolFailures(byStatus: Failures): Record<number, RouteResponse> {
  return failuresOf(byStatus, protocolErrorSchema);
}

function failuresOf(byStatus: Failures, schema: z.ZodType): Record<number, RouteResponse> {
  // Every route that a key guards may refuse the key, or the rate at which it is used.
  const all: Failures = { 401: true, 403: true, 429: true, 500: true, ...byStatus };
  return Object.fromEntries(
    (Object.keys(all) as unknown as FailureStatus[]).map((status) => {
      const given = all[status];
      const description = typeof given === 'string' ? given : FAILURES[status];
      const headers = Number(status) === 429 || Number(status) === 503 ? RETRY_AFTER : undefined;
      return [status, json(description, schema, { headers })];
    }),
  );
}
