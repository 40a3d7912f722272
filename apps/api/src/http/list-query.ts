import { SconceError } from '@sconce/errors';
import { type z } from 'zod';

/** A page of a list, as OpenAI's clients ask for it and page on. */
export interface ListResource<T extends { readonly id: string }> {
  readonly object: 'list';
  readonly data: readonly T[];
  readonly first_id: string | null;
  readonly last_id: string | null;
  readonly has_more: boolean;
}

/** Reads a query string. @throws SconceError `invalid_request` naming the parameter. */
export function readQuery<S extends z.ZodType>(query: unknown, schema: S): z.output<S> {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const param = issue?.path.join('.') ?? '';
  throw new SconceError('invalid_request', `Query parameter "${param}": ${issue?.message}`, { details: { param } });
}

export function listResource<T extends { readonly id: string }>(data: readonly T[], more: boolean): ListResource<T> {
  return { object: 'list', data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: more };
}
