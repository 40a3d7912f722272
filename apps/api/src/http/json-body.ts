import { SconceError } from '@sconce/errors';
import type { z } from 'zod';
import { parseSmallJson } from './bounded-json.ts';
import { invalidRequest } from './invalid-request.ts';

/** Reads an optional JSON body; an empty body counts as `{}`. @throws SconceError `invalid_request` that names the field. */
export function parseJsonBody<S extends z.ZodType>(body: unknown, schema: S): z.output<S> {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  const parsed = schema.safeParse(isBlank(bytes) ? {} : parseSmallJson(bytes, 'body'));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  if (issue?.code === 'unrecognized_keys') {
    const param = [...issue.path, issue.keys[0]].join('.');
    throw invalidRequest(param, `There is no field "${param.slice(0, 64)}".`);
  }
  const field = issue?.path.join('.') ?? '';
  throw new SconceError(
    'invalid_request',
    field === '' ? `The body: ${issue?.message}` : `Field "${field}": ${issue?.message}`,
    { details: { param: field } },
  );
}

/** Whether a body has nothing but white space. */
function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09);
}
