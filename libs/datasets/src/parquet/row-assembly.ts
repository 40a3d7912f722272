import type { ColumnValues } from '../row-block.ts';
import { assembleLists } from './hyparquet-parts.ts';
import { PageProblem } from './page-header.ts';
import type { PageData } from './page-data.ts';
import type { Values } from './page-values.ts';
import type { ColumnShape, Leaf } from './parquet-schema.ts';
import { joinValues, piece } from './value-runs.ts';

/**
 * Assembles rows from the pages of a column chunk, in order. A row of a list may continue in the next page, so the last row is held back
 * until it is complete. The rest of a row whose beginning was not read is dropped.
 */
export interface RowAssembler {
  /** Whether a row is held back. */
  readonly open: boolean;
  /** The complete rows: first the row that was held back, then the rows of the page. All rows of the page if it ends with a row. */
  add(page: PageData, endsWithRow: boolean): ColumnValues;
  /** The row that is held back. */
  finish(): ColumnValues;
  /** Drops the row that is held back. */
  reset(): void;
}

/** The assembler of a column's rows. */
export function rowAssembler(shape: ColumnShape, leaf: Leaf): RowAssembler {
  if (shape === 'flat') return new FlatRows();
  return shape === 'list' ? new ListRows(leaf) : new NestedRows(leaf);
}

class FlatRows implements RowAssembler {
  readonly open = false;

  add({ count, definition, values }: PageData): ColumnValues {
    if (definition === undefined) return values;
    const rows = new Array<unknown>(count);
    let next = 0;
    // All levels below the last one are null.
    for (let row = 0; row < count; row++) rows[row] = definition[row] === 0 ? null : values[next++];
    return rows;
  }

  finish(): ColumnValues {
    return [];
  }

  reset(): void {
    // No row is held back.
  }
}

/** Lists of values. Each row is a view of the page's array if nothing in the page is null. */
class ListRows implements RowAssembler {
  readonly #maxDefinition: number;
  readonly #elementDefinition: number;
  #held: (ColumnValues | null)[] | undefined;

  constructor({ maxDefinition, elementDefinition }: Leaf) {
    this.#maxDefinition = maxDefinition;
    this.#elementDefinition = elementDefinition;
  }

  get open(): boolean {
    return this.#held !== undefined;
  }

  add({ count, repetition, definition, values }: PageData, endsWithRow: boolean): ColumnValues {
    const rows: unknown[] = [];
    let value = 0;
    for (let start = 0; start < count;) {
      let end = start + 1;
      while (end < count && repetition?.[end] !== 0) end += 1;
      const present = definition === undefined ? end - start : countOf(definition, this.#maxDefinition, start, end);
      const list = this.#list({ definition, values }, { start, end, value, present });
      value += present;
      if (repetition?.[start] === 0) {
        if (this.#held !== undefined) rows.push(joined(this.#held));
        this.#held = [list];
      } else {
        this.#held?.push(list);
      }
      start = end;
    }
    if (endsWithRow && this.#held !== undefined) {
      rows.push(joined(this.#held));
      this.#held = undefined;
    }
    return rows;
  }

  finish(): ColumnValues {
    const rows = this.#held === undefined ? [] : [joined(this.#held)];
    this.#held = undefined;
    return rows;
  }

  reset(): void {
    this.#held = undefined;
  }

  #list(
    { definition, values }: { readonly definition: Uint8Array | undefined; readonly values: Values },
    at: { readonly start: number; readonly end: number; readonly value: number; readonly present: number },
  ): ColumnValues | null {
    const { start, end, value, present } = at;
    if (present === end - start) return piece(values, value, value + present);
    const first = definition?.[start] ?? 0;
    if (first < this.#elementDefinition) return first === this.#elementDefinition - 1 ? [] : null;
    const list = new Array<unknown>(end - start);
    let next = value;
    for (let index = 0; index < list.length; index++) {
      list[index] = definition?.[start + index] === this.#maxDefinition ? values[next++] : null;
    }
    return list;
  }
}

/** All other columns: nested arrays, according to the levels. */
class NestedRows implements RowAssembler {
  readonly #leaf: Leaf;
  #held: { readonly row: unknown } | undefined;

  constructor(leaf: Leaf) {
    this.#leaf = leaf;
  }

  get open(): boolean {
    return this.#held !== undefined;
  }

  add(page: PageData, endsWithRow: boolean): ColumnValues {
    const { maxDefinition, schemaPath } = this.#leaf;
    const { count } = page;
    const repetition = page.repetition ?? new Uint8Array(count);
    const definition = page.definition ?? new Uint8Array(count).fill(maxDefinition);
    let start = 0;
    let value = 0;
    if (this.#held === undefined) {
      while (start < count && repetition[start] !== 0) start += 1;
      value = countOf(definition, maxDefinition, 0, start);
    }
    if (start === count) return [];
    const rows: unknown[] = this.#held === undefined ? [] : [this.#held.row];
    assembleLists(
      rows,
      Array.from(definition.subarray(start)),
      Array.from(repetition.subarray(start)),
      value === 0 ? page.values : page.values.slice(value),
      [...schemaPath],
    );
    // Without lists every value is a complete row.
    this.#held = endsWithRow || page.repetition === undefined ? undefined : { row: rows.pop() };
    return rows;
  }

  finish(): ColumnValues {
    const rows = this.#held === undefined ? [] : [this.#held.row];
    this.#held = undefined;
    return rows;
  }

  reset(): void {
    this.#held = undefined;
  }
}

function countOf(levels: Uint8Array, level: number, start: number, end: number): number {
  let count = 0;
  for (let index = start; index < end; index++) if (levels[index] === level) count += 1;
  return count;
}

function joined(pieces: readonly (ColumnValues | null)[]): ColumnValues | null {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  const lists = pieces.filter((own) => own !== null);
  if (lists.length < pieces.length) throw new PageProblem('a list that is null continues in the next page');
  return joinValues(lists);
}
