import { SconceError } from '@sconce/errors';
import type { z } from 'zod';

/** Reads an optional JSON body; an empty body counts as `{}`. @throws SconceError `invalid_request` that names the field. */
export function parseJsonBody<S extends z.ZodType>(body: unknown, schema: S): z.output<S> {
  const text = Buffer.isBuffer(body) ? body.toString('utf8').trim() : '';
  let value: unknown;
  try {
    value = text === '' ? {} : JSON.parse(text);
  } catch (cause) {
    throw new SconceError('invalid_request', `The body is not JSON: ${(cause as Error).message}`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') ?? '';
  throw new SconceError(
    'invalid_request',
    field === '' ? `The body: ${issue?.message}` : `Field "${field}": ${issue?.message}`,
    { details: { param: field } },
  );
}
