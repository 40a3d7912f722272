const FIRST_CAPACITY = 256;

/**
 * Items by their number, for items that come and go all the time and whose numbers grow.
 *
 * A JavaScript Map is wrong for that: it makes a new table again and again, and an old table refers to its items and to the table that came
 * next. Once the garbage collector has promoted one old table, it takes every later table and all items for alive until its next full
 * collection: at 256 requests in flight, four KB of each request were promoted (measured). This table only makes another one when it grows.
 */
export class NumberedTable<Item extends { readonly number: number }> {
  /** An item is at `number` modulo the length, or in the first free place behind it. The length is a power of two. */
  #slots: (Item | undefined)[] = emptySlots(FIRST_CAPACITY);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(number: number): Item | undefined {
    return this.#slots[this.#find(number)];
  }

  add(item: Item): void {
    if (2 * this.#size >= this.#slots.length) this.#grow();
    this.#slots[this.#find(item.number)] = item;
    this.#size += 1;
  }

  /** False if there is no such item. */
  delete(number: number): boolean {
    const slots = this.#slots;
    let free = this.#find(number);
    if (slots[free] === undefined) return false;
    slots[free] = undefined;
    this.#size -= 1;
    // An item behind the free place moves into it, if it would not be found any more otherwise.
    const last = slots.length - 1;
    for (let at = (free + 1) & last; ; at = (at + 1) & last) {
      const item = slots[at];
      if (item === undefined) return true;
      const home = item.number & last;
      if (((at - home) & last) < ((at - free) & last)) continue;
      slots[free] = item;
      slots[at] = undefined;
      free = at;
    }
  }

  /** The items that are so at this moment, in no order. */
  filter(isWanted: (item: Item) => boolean): Item[] {
    return this.#slots.filter((item) => item !== undefined && isWanted(item)) as Item[];
  }

  /** The place of an item, or the free place for it. */
  #find(number: number): number {
    const slots = this.#slots;
    const last = slots.length - 1;
    let at = number & last;
    for (let item = slots[at]; item !== undefined && item.number !== number; item = slots[at]) at = (at + 1) & last;
    return at;
  }

  #grow(): void {
    const items = this.filter(() => true);
    this.#slots = emptySlots(2 * this.#slots.length);
    for (const item of items) this.#slots[this.#find(item.number)] = item;
  }
}

function emptySlots(length: number): undefined[] {
  return Array.from({ length }, () => undefined);
}
