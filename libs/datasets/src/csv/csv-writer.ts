import type { DatasetWriter, PartWriter } from '../output/dataset-writer.ts';
import { jsonText } from '../output/json-text.ts';
import { elementsOfList, isMissing, plainText } from '../parquet/plain-values.ts';
import { ExactValue } from '../values/exact-value.ts';
import { float32Text } from '../output/number-text.ts';
import type { OutputBlock, OutputValues } from '../output/output-encoder.ts';
import { widthOf, type OutputColumn } from '../output/output-mapping.ts';

const EMPTY = new Uint8Array(0);
const SPECIAL = /[",\r\n]|^\s|\s$/;

/**
 * Writes CSV (RFC 4180, UTF-8, LF). Lists of one length become several columns (`logits_0`, `logits_1`, …); lists of different lengths
 * become one column of JSON. NaN and infinities are `NaN`, `Infinity`, `-Infinity`; a missing value is empty.
 */
export function csvWriter(columns: readonly OutputColumn[], options: { readonly delimiter?: string }): DatasetWriter {
  const { delimiter = ',' } = options;
  return {
    begin: () =>
      Buffer.from(
        `${columns
          .flatMap(headerOf)
          .map((name) => quoted(name, delimiter))
          .join(delimiter)}\n`,
      ),
    part: () => new CsvPart(columns, delimiter),
    end: () => EMPTY,
  };
}

function headerOf(column: OutputColumn): string[] {
  const width = widthOf(column);
  if (column.rowShape.length === 0 || width < 0) return [column.name];
  return Array.from({ length: width }, (_, index) => `${column.name}_${index}`);
}

class CsvPart implements PartWriter {
  readonly #columns: readonly OutputColumn[];
  readonly #delimiter: string;

  constructor(columns: readonly OutputColumn[], delimiter: string) {
    this.#columns = columns;
    this.#delimiter = delimiter;
  }

  write({ rows, columns }: OutputBlock): readonly Uint8Array[] {
    const cells = columns.map((values, index) => cellText(values, this.#columns[index], this.#delimiter));
    let text = '';
    for (let row = 0; row < rows; row++) {
      for (let index = 0; index < cells.length; index++) {
        if (index > 0) text += this.#delimiter;
        text += cells[index]?.(row) ?? '';
      }
      text += '\n';
    }
    return [Buffer.from(text)];
  }

  end(): { body: readonly Uint8Array[]; trailer: Uint8Array } {
    return { body: [], trailer: EMPTY };
  }
}

/** A function that writes one row of a column. */
function cellText(values: OutputValues, column: OutputColumn | undefined, delimiter: string): (row: number) => string {
  if (values.kind === 'values') {
    const { values: own } = values;
    const isList = column !== undefined && column.rowShape.length > 0;
    const width = column === undefined || !isList ? -1 : widthOf(column);
    if (width >= 0) return (row) => fieldsText(own[row], width, delimiter);
    return (row) => valueText(own[row], { delimiter, isList });
  }
  const { elements, width } = values;
  const isFloat32 = elements instanceof Float32Array;
  const isBoolean = column?.datatype === 'BOOL';
  const one = (value: number | bigint | undefined): string =>
    isBoolean ? String(Number(value) === 1) : isFloat32 ? float32Text(Number(value)) : String(value);
  return (row) => {
    let text = '';
    for (let at = row * width; at < (row + 1) * width; at++) {
      if (at > row * width) text += delimiter;
      text += one(elements[at]);
    }
    return text;
  };
}

/** The elements of a list of a known width, one field each. */
function fieldsText(value: unknown, width: number, delimiter: string): string {
  const elements = isMissing(value) ? [] : elementsOfList(value);
  return Array.from({ length: width }, (_, index) => valueText(elements[index], { delimiter, isList: false })).join(
    delimiter,
  );
}

function valueText(value: unknown, { delimiter, isList }: { delimiter: string; isList: boolean }): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string' && !isList) return quoted(value, delimiter);
  if (value instanceof ExactValue || Buffer.isBuffer(value)) return quoted(plainText(value), delimiter);
  if (typeof value === 'object') return quoted(jsonText(value), delimiter);
  return String(value);
}

function quoted(text: string, delimiter: string): string {
  return SPECIAL.test(text) || text.includes(delimiter) ? `"${text.replaceAll('"', '""')}"` : text;
}
