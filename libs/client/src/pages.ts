/** A page of a list. */
export interface Page<T> {
  readonly data: readonly T[];
  readonly has_more: boolean;
}

/** Every entry of a list that comes in pages: `fetch` gets the query that leads to the next one (`&after=…`, or nothing). */
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
