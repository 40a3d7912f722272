import * as z from 'zod';

/** A page of a list, as OpenAI's clients read it. */
export interface List<T> {
  readonly object: 'list';
  readonly data: readonly T[];
  /** Ids of the first and the last entry; null for an empty page. */
  readonly first_id: string | null;
  readonly last_id: string | null;
  readonly has_more: boolean;
}

/** The schema of a page of `item`s. */
export function listSchemaOf<S extends z.ZodType>(item: S, meta: { id: string; description: string }): z.ZodType {
  return z
    .object({
      object: z.literal('list'),
      data: z.array(item),
      first_id: z.string().nullable().describe('Id of the first entry; null for an empty page.'),
      last_id: z.string().nullable().describe('Id of the last entry: `after` of the next page.'),
      has_more: z.boolean().describe('Whether there is another page.'),
    })
    .meta(meta);
}
