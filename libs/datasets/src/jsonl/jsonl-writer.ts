import type { DatasetWriter, PartWriter } from '../output/dataset-writer.ts';
import { floatText, jsonText } from '../output/json-text.ts';
import type { OutputBlock, OutputValues } from '../output/output-encoder.ts';
import type { OutputColumn } from '../output/output-mapping.ts';

const EMPTY = new Uint8Array(0);

/**
 * Writes one JSON object per line, with lists nested like the output's shape. NaN is null and infinities are strings, as in answers over HTTP.
 * Integers are plain digits of any length.
 */
export function jsonlWriter(columns: readonly OutputColumn[]): DatasetWriter {
  return { begin: () => EMPTY, part: () => new JsonlPart(columns), end: () => EMPTY };
}

class JsonlPart implements PartWriter {
  readonly #columns: readonly OutputColumn[];

  constructor(columns: readonly OutputColumn[]) {
    this.#columns = columns;
  }

  write({ rows, columns }: OutputBlock): readonly Uint8Array[] {
    const fields = this.#columns.map((column, index) => ({
      key: `${index === 0 ? '{' : ','}${JSON.stringify(column.name)}:`,
      text: textOf(columns[index], column),
    }));
    let text = '';
    for (let row = 0; row < rows; row++) {
      for (const field of fields) text += field.key + field.text(row);
      text += '}\n';
    }
    return [Buffer.from(text)];
  }

  end(): { body: readonly Uint8Array[]; trailer: Uint8Array } {
    return { body: [], trailer: EMPTY };
  }
}

function textOf(values: OutputValues | undefined, column: OutputColumn): (row: number) => string {
  if (values === undefined) return () => 'null';
  if (values.kind === 'values') {
    const { values: own } = values;
    return (row) => jsonText(own[row]);
  }
  const { elements, width } = values;
  const one =
    column.datatype === 'BOOL'
      ? (value: number | bigint): string => String(Number(value) === 1)
      : elements instanceof Float32Array || elements instanceof Float64Array
        ? (value: number | bigint): string => floatText(Number(value), elements instanceof Float32Array)
        : String;
  const { rowShape } = column;
  if (rowShape.length === 0) return (row) => one(elements[row] ?? 0);
  return (row) => nestedText(rowShape, 0, { at: row * width, element: (at) => one(elements[at] ?? 0) });
}

/** A row's list of that shape. `cursor.at` moves over its elements. */
function nestedText(
  shape: readonly number[],
  axis: number,
  cursor: { at: number; readonly element: (at: number) => string },
): string {
  const length = shape[axis] ?? 0;
  const last = axis === shape.length - 1;
  let text = '[';
  for (let index = 0; index < length; index++) {
    if (index > 0) text += ',';
    text += last ? cursor.element(cursor.at++) : nestedText(shape, axis + 1, cursor);
  }
  return `${text}]`;
}
