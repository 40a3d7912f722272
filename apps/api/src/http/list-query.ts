import type { List } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { type z } from 'zod';

/** Reads a query string. @throws SconceError `invalid_request` that names the parameter. */
export function readQuery<S extends z.ZodType>(query: unknown, schema: S): z.output<S> {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  if (issue?.code === 'unrecognized_keys') {
    const [param = ''] = issue.keys;
    throw new SconceError('invalid_request', `There is no query parameter "${param}".`, { details: { param } });
  }
  const param = issue?.path.join('.') ?? '';
  throw new SconceError('invalid_request', `Query parameter "${param}": ${issue?.message}`, { details: { param } });
}

/** A page of a list, as the API shows it. */
export function listResource<T extends { readonly id: string }>(data: readonly T[], more: boolean): List<T> {
  return { object: 'list', data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: more };
}
