import { bytesElements, fromBfloat16Bits, viewOf, type Tensor } from '@sconce/tensor';
import { SconceError } from '@sconce/errors';
import { cellOf, type ColumnValues, type RowBlock } from '../row-block.ts';
import type { ElementArray } from '../mapping/element-writers.ts';
import { widthOf, type OutputColumn } from './output-mapping.ts';
import { argmax, gather, softmax, topK } from './transforms.ts';

/** The outputs of a model for some rows of a block. */
export interface GroupResult {
  /** Indexes in the block, ascending. */
  readonly rows: readonly number[];
  /** Axis 0 of each has one entry per row, unless the model runs each row alone. */
  readonly outputs: readonly Tensor[];
}

/** Values of one column of results: an array with `width` elements per row, or one value per row. */
export type OutputValues =
  | { readonly kind: 'elements'; readonly elements: ElementArray; readonly width: number }
  | { readonly kind: 'values'; readonly values: readonly unknown[] };

/** Results for a writer: the good rows of the block, in order. */
export interface OutputBlock {
  readonly rows: number;
  /** In the order of the columns. */
  readonly columns: readonly OutputValues[];
}

/** Brings the results of a block, which may be in groups, into the order of the rows, column by column. */
export class OutputEncoder {
  /** Names of the needed outputs of the model. */
  readonly outputs: readonly string[];
  /** Input columns that are passed through. In a block they follow the columns of the inputs. */
  readonly passThrough: readonly string[];
  readonly #columns: readonly OutputColumn[];

  constructor(columns: readonly OutputColumn[]) {
    this.#columns = columns;
    this.outputs = [...new Set(columns.flatMap(({ source }) => (source.kind === 'output' ? [source.output] : [])))];
    this.passThrough = columns.flatMap(({ source }) => (source.kind === 'column' ? [source.column] : []));
  }

  /**
   * Copies the values that are passed through, column by column. It is called before the rows run, so that the block can be released.
   * @param cellsAt indexes of those columns in the block's cells.
   */
  copyPassed({ cells, rows }: RowBlock, cellsAt: readonly number[]): readonly ColumnValues[] {
    return cellsAt.map((at) => Array.from({ length: rows }, (_, row) => cellOf(cells, row, at)));
  }

  /** @param passed the result of `copyPassed` for the block. */
  encode(results: readonly GroupResult[], passed: readonly ColumnValues[]): OutputBlock {
    const rows = results.flatMap((result) => result.rows).sort((a, b) => a - b);
    const placeOf = new Map(rows.map((row, place) => [row, place]));
    let next = 0;
    const columns = this.#columns.map((column): OutputValues => {
      if (column.source.kind === 'column') {
        const values = passed[next++] ?? [];
        const own = rows.map((row) => values[row]);
        return { kind: 'values', values: column.exact?.kind === 'binary' ? own.map(asBytes) : own };
      }
      const parts = results.map((result) => ({ rows: result.rows, elements: elementsOf(column, result) }));
      const width = widthOf(column);
      const [only] = parts;
      if (column.datatype === 'BYTES' || width < 0) {
        const values: unknown[] = [];
        for (const part of parts) {
          part.rows.forEach((row, index) => (values[placeOf.get(row) ?? 0] = rowValue(column, part, index)));
        }
        return { kind: 'values', values };
      }
      // One group or none. BYTES, whose elements are not a typed array, were handled above.
      if (parts.length === 1 && only !== undefined) {
        return { kind: 'elements', elements: only.elements as ElementArray, width };
      }
      return { kind: 'elements', elements: inOrder(parts, placeOf, width), width };
    });
    return { rows: rows.length, columns };
  }
}

/** Bytes that a reader took for text, because they are valid UTF-8, as bytes again. */
function asBytes(value: unknown): unknown {
  if (typeof value === 'string') return Buffer.from(value);
  return Array.isArray(value) ? value.map(asBytes) : value;
}

interface Part {
  readonly rows: readonly number[];
  readonly elements: ElementArray | readonly string[];
}

function elementsOf({ source }: OutputColumn, { outputs }: GroupResult): ElementArray | readonly string[] {
  if (source.kind !== 'output') throw new SconceError('internal', 'only a column of an output has elements');
  const tensor = outputs.find(({ name }) => name === source.output);
  if (tensor === undefined) throw new SconceError('internal', `the run has no output "${source.output}"`);
  const { datatype } = tensor;
  if (datatype === 'BYTES') {
    return Array.from(bytesElements(tensor), (element) => Buffer.from(element).toString('utf8'));
  }
  const own = viewOf({ ...tensor, datatype }) as ElementArray;
  const values =
    datatype === 'BF16'
      ? Float32Array.from(own as Uint16Array, fromBfloat16Bits)
      : datatype === 'FP16'
        ? new Float32Array(own as Float16Array)
        : own;
  const width = tensor.shape.at(-1) ?? 1;
  const { transform, k, part } = source;
  switch (transform) {
    case 'none':
      return values;
    case 'argmax':
      return argmax(values, width);
    case 'softmax':
      return softmax(values, width);
    case 'top_k': {
      const indices = topK(values, width, k);
      return part === 'indices' ? indices : gather(values, indices, { width, k });
    }
  }
}

/** One row's elements, as a list or the single value. */
function rowValue(column: OutputColumn, { rows, elements }: Part, index: number): unknown {
  const width = elements.length / rows.length;
  const own = elements.slice(index * width, (index + 1) * width);
  return column.rowShape.length === 0 ? own[0] : own;
}

function inOrder(parts: readonly Part[], placeOf: ReadonlyMap<number, number>, width: number): ElementArray {
  const first = parts.find(({ elements }) => !Array.isArray(elements))?.elements as ElementArray | undefined;
  const Elements = (first?.constructor ?? Float32Array) as new (length: number) => ElementArray;
  const out = new Elements(placeOf.size * width);
  for (const { rows, elements } of parts) {
    rows.forEach((row, index) => {
      const place = placeOf.get(row) ?? 0;
      for (let at = 0; at < width; at++) {
        const value = (elements as ElementArray)[index * width + at];
        if (value !== undefined) out[place * width + at] = value;
      }
    });
  }
  return out;
}
