import { SconceError } from '@sconce/errors';
import type { OutputBlock, OutputValues } from '../output/output-encoder.ts';

const GROUP_ROWS = 64 * 1024;
const GROUP_BYTES = 8 * 1024 ** 2;

/** Rows of one row group: for each column, the values of each block. */
export interface HeldGroup {
  readonly rows: number;
  readonly columns: readonly (readonly OutputValues[])[];
}

/** Collects the rows of blocks into groups of about 64k rows or 8 MiB. It copies the values. */
export class HeldRows {
  readonly #columns: number;
  #held: OutputValues[][];
  #rows = 0;
  #bytes = 0;

  /** @param columns of every block. */
  constructor(columns: number) {
    this.#columns = columns;
    this.#held = Array.from({ length: columns }, () => []);
  }

  /** Adds a block and yields the groups that are full. */
  *add({ rows, columns }: OutputBlock): Generator<HeldGroup, void, undefined> {
    const bytes = columns.reduce((sum, values) => sum + bytesOf(values), 0);
    const step = Math.ceil(rows / Math.max(1, Math.ceil(bytes / GROUP_BYTES)));
    for (let from = 0; from < rows;) {
      const to = Math.min(rows, from + Math.min(step, GROUP_ROWS - this.#rows));
      for (const [index, held] of this.#held.entries()) {
        const values = columns[index];
        if (values === undefined) throw new SconceError('internal', 'a block lacks a column of the results');
        held.push(kept(values, from, to));
      }
      this.#rows += to - from;
      this.#bytes += (bytes * (to - from)) / rows;
      if (this.#rows >= GROUP_ROWS || this.#bytes >= GROUP_BYTES) yield* this.rest();
      from = to;
    }
  }

  /** Yields the last group, if it has rows. */
  *rest(): Generator<HeldGroup, void, undefined> {
    if (this.#rows === 0) return;
    const group = { rows: this.#rows, columns: this.#held };
    this.#held = Array.from({ length: this.#columns }, () => []);
    this.#rows = 0;
    this.#bytes = 0;
    yield group;
  }
}

function kept(values: OutputValues, from: number, to: number): OutputValues {
  if (values.kind === 'values') return { kind: 'values', values: values.values.slice(from, to) };
  const { elements, width } = values;
  return { kind: 'elements', elements: elements.slice(from * width, to * width), width };
}

/** The approximate memory of values. */
function bytesOf(values: OutputValues): number {
  if (values.kind === 'elements') return values.elements.byteLength;
  return values.values.reduce<number>((sum, value) => sum + sizeOf(value), 0);
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return 4 + value.length;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (Array.isArray(value)) return value.reduce<number>((sum, element) => sum + sizeOf(element), 8);
  return 8;
}
