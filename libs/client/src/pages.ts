/** A page of a list. */
export interface Page<T> {
  readonly data: readonly T[];
  /** Where the next page begins. With filters a page may have no entries and still not be the last one. */
  readonly last_id: string | null;
  readonly has_more: boolean;
}

/** Every entry of a list that has pages. `fetch` gets the end of the query for the next page: `&after=…`, or an empty text. */
export async function* pages<T>(fetch: (after: string) => Promise<Page<T>>): AsyncGenerator<T> {
  let after = '';
  for (;;) {
    const page = await fetch(after);
    yield* page.data;
    if (!page.has_more || page.last_id === null) return;
    after = `&after=${encodeURIComponent(page.last_id)}`;
  }
}
