import { elementCount, formatShape, formatSpec, type Datatype, type TensorSpec } from '@sconce/tensor';
import { datasetError, listed, shown } from '../dataset-error.ts';
import type { DatasetColumn } from '../dataset-reader.ts';

/**
 * Where an input's values come from: a column, a pattern (`p*`: every column that fits, in the file's order), columns in order, or a
 * value that is the same for all rows.
 */
export type InputSource = string | readonly string[] | { readonly value: unknown };

/** What of a model the mapping needs. */
export interface MappableModel {
  readonly inputs: readonly TensorSpec[];
  /** Inputs whose axis 0 is the rows; none where the model takes one whole call at a time. */
  readonly rowInputs: ReadonlySet<string>;
}

/** An input and the columns that make it. */
export interface MappedInput {
  readonly name: string;
  readonly datatype: Datatype;
  /** Shape of what one row gives; -1 is free and comes from the row's list. */
  readonly rowShape: readonly number[];
  /** Axis 0 of the tensor is the rows, in front of `rowShape`. */
  readonly hasRows: boolean;
  readonly source:
    | { readonly kind: 'list'; readonly column: string }
    | { readonly kind: 'scalars'; readonly columns: readonly string[] }
    | { readonly kind: 'constant'; readonly value: unknown };
}

const NUMBERED = ['_', '', '.', '-'] as const;

/**
 * Finds every input's columns: as `selection` says; without a word there, the column of the input's name, or the columns numbered
 * after it (`x_0, x_1, …`, also `x0` and `x.0`, from 0 or 1), as many as a row of the input has elements; a file's only column, whatever
 * its name, is a model's only input.
 *
 * @param columns of the file; `closed` tells whether rows can have others.
 * @throws SconceError `invalid_dataset` with the input as `details.param`: what is missing or does not fit, and what there is.
 */
export function mapInputs(
  dataset: { readonly columns: readonly DatasetColumn[]; readonly closed: boolean },
  model: MappableModel,
  selection: Readonly<Record<string, InputSource>> = {},
): readonly MappedInput[] {
  const unknown = Object.keys(selection).filter((name) => !model.inputs.some((input) => input.name === name));
  if (unknown[0] !== undefined) {
    throw datasetError(
      `inputs names ${shown(unknown[0])}; the model has ${listed(model.inputs.map(({ name }) => name))}.`,
      { param: `inputs.${unknown[0]}` },
    );
  }
  return model.inputs.map((input) => {
    const hasRows = model.rowInputs.has(input.name);
    const rowShape = hasRows ? input.shape.slice(1) : input.shape;
    const given = selection[input.name];
    const source =
      given === undefined ? findSource(dataset, { input, rowShape, model }) : readSource(dataset, input, given);
    const fixed = source.kind === 'scalars' ? shapeOfColumns(input, rowShape, source.columns) : rowShape;
    return { name: input.name, datatype: input.datatype, rowShape: fixed, hasRows, source };
  });
}

/** Every column that some input needs, once. */
export function columnsOf(inputs: readonly MappedInput[]): readonly string[] {
  const names = inputs.flatMap(({ source }) =>
    source.kind === 'constant' ? [] : source.kind === 'list' ? [source.column] : source.columns,
  );
  return [...new Set(names)];
}

type Dataset = Parameters<typeof mapInputs>[0];

function readSource(dataset: Dataset, input: TensorSpec, given: InputSource): MappedInput['source'] {
  const param = `inputs.${input.name}`;
  if (typeof given === 'string') {
    if (!given.includes('*')) return single(dataset, input, given);
    const pattern = new RegExp(`^${given.split('*').map(escapeRegExp).join('.*')}$`, 's');
    const found = dataset.columns.filter(({ name }) => pattern.test(name)).map(({ name }) => name);
    if (found.length === 0) throw noColumn(dataset, `No column fits ${shown(given)}`, param);
    const [only] = found;
    return found.length === 1 && only !== undefined
      ? single(dataset, input, only)
      : { kind: 'scalars', columns: found };
  }
  if (isList(given)) {
    for (const name of given) single(dataset, input, name);
    const [only] = given;
    if (given.length === 1 && only !== undefined) return single(dataset, input, only);
    return { kind: 'scalars', columns: given };
  }
  return { kind: 'constant', value: given.value };
}

function findSource(
  dataset: Dataset,
  { input, rowShape, model }: { input: TensorSpec; rowShape: readonly number[]; model: MappableModel },
): MappedInput['source'] {
  const names = new Set(dataset.columns.map(({ name }) => name));
  if (names.has(input.name)) return single(dataset, input, input.name);
  const size = sizeOf(rowShape, input.name);
  for (const separator of NUMBERED) {
    for (const first of [0, 1]) {
      const nameOf = (index: number): string => `${input.name}${separator}${index + first}`;
      // Where an axis is free there are as many as there are.
      let count = 0;
      while (count < (size ?? Infinity) && names.has(nameOf(count))) count += 1;
      if (count === 0 || (size !== undefined && count < size)) continue;
      return { kind: 'scalars', columns: Array.from({ length: count }, (_, index) => nameOf(index)) };
    }
  }
  const [only, ...others] = dataset.columns;
  if (dataset.closed && only !== undefined && others.length === 0 && model.inputs.length === 1) {
    return single(dataset, input, only.name);
  }
  const what = `No column is named ${shown(input.name)}, as the model's input ${formatSpec(input)} is`;
  throw noColumn(dataset, what, `inputs.${input.name}`);
}

function single(dataset: Dataset, input: TensorSpec, column: string): MappedInput['source'] {
  const known = dataset.columns.some(({ name }) => name === column);
  if (!known && dataset.closed) {
    throw noColumn(
      dataset,
      `There is no column ${shown(column)} for input ${shown(input.name)}`,
      `inputs.${input.name}`,
    );
  }
  return { kind: 'list', column };
}

/** The row's shape where each element has a column of its own: their number says what a single free axis is. */
function shapeOfColumns(input: TensorSpec, rowShape: readonly number[], columns: readonly string[]): readonly number[] {
  const known = rowShape.reduce((product, size) => (size < 0 ? product : product * size), 1);
  const free = rowShape.filter((size) => size < 0).length;
  if (free === 0 && known === columns.length) return rowShape;
  if (free === 1 && known > 0 && columns.length % known === 0) {
    return rowShape.map((size) => (size < 0 ? columns.length / known : size));
  }
  const expected = free === 0 ? `${known} values a row` : `rows of shape ${formatShape(rowShape)}`;
  throw datasetError(
    `Input ${shown(input.name)} is ${formatSpec(input)}: it takes ${expected}; ${columns.length} columns were found for it (${listed(columns)}).`,
    { param: `inputs.${input.name}` },
  );
}

/** Elements of one row; undefined where an axis is free. */
export function sizeOf(rowShape: readonly number[], name: string): number | undefined {
  return rowShape.some((size) => size < 0) ? undefined : elementCount(rowShape, name);
}

function noColumn({ columns }: Dataset, what: string, param: string): Error {
  const there = columns.length === 0 ? 'no columns' : listed(columns.map(({ name }) => name));
  return datasetError(
    `${what}; the file has ${there}. Say which columns an input takes: {"inputs": {"x": "column"}}, a pattern such as "p*", or a list.`,
    { param },
  );
}

function isList(given: Exclude<InputSource, string>): given is readonly string[] {
  return Array.isArray(given);
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
