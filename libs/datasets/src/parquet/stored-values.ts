import type { OutputValues } from '../output/output-encoder.ts';
import type { ColumnDatatype } from '../output/output-mapping.ts';
import type { ColumnValues } from '../row-block.ts';
import type { DecodedArray } from './hyparquet-parts.ts';
import { CONVERTERS, elementsOfList, isMissing } from './plain-values.ts';
import type { StoredColumn } from './stored-columns.ts';
import { joinValues } from './value-runs.ts';

/** The values of a column chunk, and levels for nulls and lists: one of each per value, null or empty list. */
export interface StoredValues {
  readonly values: DecodedArray;
  readonly definitionLevels: ArrayLike<number>;
  readonly repetitionLevels: ArrayLike<number>;
  readonly maxDefinitionLevel: number;
}

/** The values of a row group, from the values of its blocks. In a column of text, values that are not text become JSON. */
export function storedValues(column: StoredColumn, pieces: readonly OutputValues[]): StoredValues {
  if (column.isList) return (column.optional ? undefined : evenLists(column, pieces)) ?? anyLists(column, pieces);
  const values = joined(pieces.map((piece) => flatValues(column, piece)));
  if (!column.optional) return { values, definitionLevels: [], repetitionLevels: [], maxDefinitionLevel: 0 };
  const definitionLevels = Uint8Array.from(values as ArrayLike<unknown>, (value) => (value === null ? 0 : 1));
  return { values, definitionLevels, repetitionLevels: [], maxDefinitionLevel: 1 };
}

/** Typed lists of one width. Their values are not inspected. */
function evenLists({ datatype }: StoredColumn, pieces: readonly OutputValues[]): StoredValues | undefined {
  const typed: ColumnValues[] = [];
  let width = 0;
  for (const piece of pieces) {
    if (piece.kind !== 'elements' || piece.width === 0 || (width > 0 && piece.width !== width)) return undefined;
    ({ width } = piece);
    typed.push(typedValues(datatype, piece.elements));
  }
  const values = joined(typed);
  const repetitionLevels = new Uint8Array(values.length).fill(1);
  for (let at = 0; at < values.length; at += width) repetitionLevels[at] = 0;
  return { values, definitionLevels: new Uint8Array(values.length).fill(1), repetitionLevels, maxDefinitionLevel: 1 };
}

function anyLists({ convert, optional }: StoredColumn, pieces: readonly OutputValues[]): StoredValues {
  const maxDefinitionLevel = optional ? 3 : 1;
  const values: unknown[] = [];
  const definitionLevels: number[] = [];
  const repetitionLevels: number[] = [];
  const add = (value: unknown, definition: number, repetition: number): void => {
    values.push(value);
    definitionLevels.push(definition);
    repetitionLevels.push(repetition);
  };
  for (const row of rowsOf(pieces)) {
    if (optional && isMissing(row)) {
      add(null, 0, 0);
      continue;
    }
    const elements = elementsOfList(row);
    if (elements.length === 0) add(null, optional ? 1 : 0, 0);
    for (const [index, element] of elements.entries()) {
      const missing = optional && isMissing(element);
      add(missing ? null : convert(element), missing ? 2 : maxDefinitionLevel, index === 0 ? 0 : 1);
    }
  }
  return { values, definitionLevels, repetitionLevels, maxDefinitionLevel };
}

function* rowsOf(pieces: readonly OutputValues[]): Generator<unknown, void, undefined> {
  for (const piece of pieces) {
    if (piece.kind === 'values') {
      yield* piece.values;
      continue;
    }
    const { elements, width } = piece;
    const rows = width === 0 ? 0 : elements.length / width;
    for (let row = 0; row < rows; row++) yield elements.subarray(row * width, (row + 1) * width);
  }
}

function flatValues({ datatype, convert }: StoredColumn, piece: OutputValues): ColumnValues {
  if (piece.kind === 'elements') return typedValues(datatype, piece.elements);
  return piece.values.map((value) => (isMissing(value) ? null : convert(value)));
}

/** Elements in the writer's form. */
function typedValues(datatype: ColumnDatatype, elements: ColumnValues): ColumnValues {
  if (datatype === 'BOOL') return Array.from(elements, CONVERTERS.BOOL);
  // The writer refuses large values of a Uint32Array as too large.
  return elements instanceof Uint32Array ? Array.from(elements) : elements;
}

function joined(pieces: readonly ColumnValues[]): DecodedArray {
  return joinValues(pieces) as DecodedArray;
}
