/** A page of a list. */
export interface Page<T> {
  readonly data: readonly T[];
  readonly has_more: boolean;
}

/** Every entry of a list that has pages. `fetch` gets the end of the query for the next page: `&after=…`, or an empty text. */
export async function* pages<T extends { readonly id: string }>(
  fetch: (after: string) => Promise<Page<T>>,
): AsyncGenerator<T> {
  let after = '';
  for (;;) {
    const page = await fetch(after);
    yield* page.data;
    const last = page.data.at(-1);
    if (!page.has_more || last === undefined) return;
    after = `&after=${encodeURIComponent(last.id)}`;
  }
}
