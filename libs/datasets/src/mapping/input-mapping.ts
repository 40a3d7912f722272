import { SconceError } from '@sconce/errors';
import { elementCount, formatShape, formatSpec, type Datatype, type TensorSpec } from '@sconce/tensor';
import { datasetError, listed, shown } from '../dataset-error.ts';
import type { DatasetColumn } from '../dataset-reader.ts';
import { columnPattern } from './column-pattern.ts';

/**
 * The source of an input's values: a column, a pattern (`p*`: all matching columns, in the file's order), a list of columns, or a value that
 * is the same for all rows.
 */
export type InputSource = string | readonly string[] | { readonly value: unknown };

/** The facts about a model that the mapping needs. */
export interface MappableModel {
  readonly inputs: readonly TensorSpec[];
  /** Inputs whose axis 0 has the rows. Empty if the model runs each row alone. */
  readonly rowInputs: ReadonlySet<string>;
}

/** An input and its columns. */
export interface MappedInput {
  readonly name: string;
  readonly datatype: Datatype;
  /** Shape of one row; -1 is a free axis, whose size comes from the row's list. */
  readonly rowShape: readonly number[];
  /** Whether the tensor has the rows as axis 0, before `rowShape`. */
  readonly hasRows: boolean;
  readonly source:
    | { readonly kind: 'list'; readonly column: string }
    | { readonly kind: 'scalars'; readonly columns: readonly string[] }
    | { readonly kind: 'constant'; readonly value: unknown };
}

/** The columns of a file; `closed` is false if rows may have other columns. */
export interface DatasetColumns {
  readonly columns: readonly DatasetColumn[];
  readonly closed: boolean;
}

const NUMBERED = ['_', '', '.', '-'] as const;

/**
 * Finds the columns of every input. `selection` names them. An input without a selection gets the column with its name, or the columns
 * numbered after it (`x_0, x_1, …`, also `x0` and `x.0`, from 0 or 1), as many as a row of the input has elements. If the file has one
 * column and the model one input, they match whatever their names are.
 *
 * @param dataset the columns of the file; `closed` is false if rows may have other columns.
 * @throws SconceError `invalid_dataset` with the input as `details.param`: the missing or unsuitable columns, and the columns of the file.
 */
export function mapInputs(
  file: DatasetColumns,
  model: MappableModel,
  selection: Readonly<Record<string, InputSource>> = {},
): readonly MappedInput[] {
  return mapEachInput(file, model, selection).map((mapped) => {
    if (mapped instanceof SconceError) throw mapped;
    return mapped;
  });
}

/** As `mapInputs`, but an input whose columns are not found is the error that says why. */
export function mapEachInput(
  file: DatasetColumns,
  model: MappableModel,
  selection: Readonly<Record<string, InputSource>> = {},
): readonly (MappedInput | SconceError)[] {
  const { columns, closed } = file;
  const dataset: Dataset = {
    columns,
    closed,
    names: new Set(columns.map(({ name }) => name)),
    unreadable: new Map(
      columns.flatMap(({ name, unreadable }) => (unreadable === undefined ? [] : [[name, unreadable]])),
    ),
  };
  const unknown = Object.keys(selection).filter((name) => !model.inputs.some((input) => input.name === name));
  if (unknown[0] !== undefined) {
    throw datasetError(
      `inputs names ${shown(unknown[0])}; the model has ${listed(model.inputs.map(({ name }) => name))}.`,
      { param: `inputs.${unknown[0]}` },
    );
  }
  const map = (input: TensorSpec): MappedInput => {
    const hasRows = model.rowInputs.has(input.name);
    const rowShape = hasRows ? input.shape.slice(1) : input.shape;
    const given = selection[input.name];
    const source =
      given === undefined ? findSource(dataset, { input, rowShape, model }) : readSource(dataset, input, given);
    const fixed = source.kind === 'scalars' ? shapeOfColumns(input, rowShape, source.columns) : rowShape;
    return { name: input.name, datatype: input.datatype, rowShape: fixed, hasRows, source };
  };
  return model.inputs.map((input) => {
    try {
      return map(input);
    } catch (error) {
      if (error instanceof SconceError) return error;
      throw error;
    }
  });
}

/** All columns that inputs need, each once. */
export function columnsOf(inputs: readonly MappedInput[]): readonly string[] {
  const names = inputs.flatMap(({ source }) =>
    source.kind === 'constant' ? [] : source.kind === 'list' ? [source.column] : source.columns,
  );
  return [...new Set(names)];
}

/** The columns of the file. A file may have a million, so names are looked up in a set. */
interface Dataset {
  readonly columns: readonly DatasetColumn[];
  readonly closed: boolean;
  readonly names: ReadonlySet<string>;
  readonly unreadable: ReadonlyMap<string, string>;
}

function readSource(dataset: Dataset, input: TensorSpec, given: InputSource): MappedInput['source'] {
  const param = `inputs.${input.name}`;
  if (typeof given === 'string') {
    if (!given.includes('*')) return single(dataset, input, given);
    const matches = columnPattern(given);
    const found = dataset.columns.filter(({ name }) => matches(name)).map(({ name }) => name);
    if (found.length === 0) throw noColumn(dataset, `No column matches ${shown(given)}`, param);
    checkReadable(dataset, found, input);
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
  const { names } = dataset;
  if (names.has(input.name)) return single(dataset, input, input.name);
  const size = sizeOf(rowShape, input.name);
  for (const separator of NUMBERED) {
    for (const first of [0, 1]) {
      const nameOf = (index: number): string => `${input.name}${separator}${index + first}`;
      // With a free axis, all consecutive columns belong to the input.
      let count = 0;
      while (count < (size ?? Infinity) && names.has(nameOf(count))) count += 1;
      if (count === 0 || (size !== undefined && count < size)) continue;
      const columns = Array.from({ length: count }, (_, index) => nameOf(index));
      checkReadable(dataset, columns, input);
      return { kind: 'scalars', columns };
    }
  }
  const [only, ...others] = dataset.columns;
  if (dataset.closed && only !== undefined && others.length === 0 && model.inputs.length === 1) {
    return single(dataset, input, only.name);
  }
  const what = `No column has the name of the model's input ${shown(input.name)} (${formatSpec(input)})`;
  throw noColumn(dataset, what, `inputs.${input.name}`);
}

function single(dataset: Dataset, input: TensorSpec, column: string): MappedInput['source'] {
  if (!dataset.names.has(column) && dataset.closed) {
    throw noColumn(
      dataset,
      `There is no column ${shown(column)} for input ${shown(input.name)}`,
      `inputs.${input.name}`,
    );
  }
  checkReadable(dataset, [column], input);
  return { kind: 'list', column };
}

/** Refuses columns that cannot be read before any row is, because each chunk of the dataset would fail. */
function checkReadable({ unreadable }: Dataset, columns: readonly string[], input: TensorSpec): void {
  if (unreadable.size === 0) return;
  for (const column of columns) {
    const why = unreadable.get(column);
    if (why !== undefined) throw datasetError(why, { param: `inputs.${input.name}` });
  }
}

/** The row's shape if each element has its own column. The number of columns gives the size of a single free axis. */
function shapeOfColumns(input: TensorSpec, rowShape: readonly number[], columns: readonly string[]): readonly number[] {
  const known = rowShape.reduce((product, size) => (size < 0 ? product : product * size), 1);
  const free = rowShape.filter((size) => size < 0).length;
  if (free === 0 && known === columns.length) return rowShape;
  if (free === 1 && known > 0 && columns.length % known === 0) {
    return rowShape.map((size) => (size < 0 ? columns.length / known : size));
  }
  const expected = free === 0 ? `${known} values a row` : `rows of shape ${formatShape(rowShape)}`;
  throw datasetError(
    `Input ${shown(input.name)} is ${formatSpec(input)}: it needs ${expected}; the file has ${columns.length} columns for it (${listed(columns)}).`,
    { param: `inputs.${input.name}` },
  );
}

/** Elements of one row; undefined if an axis is free. */
export function sizeOf(rowShape: readonly number[], name: string): number | undefined {
  return rowShape.some((size) => size < 0) ? undefined : elementCount(rowShape, name);
}

function noColumn({ columns }: Dataset, what: string, param: string): Error {
  const there = columns.length === 0 ? 'no columns' : listed(columns.map(({ name }) => name));
  return datasetError(
    `${what}; the file has ${there}. Name the columns of the input: {"inputs": {"x": "column"}}, a pattern such as "p*", or a list.`,
    { param },
  );
}

function isList(given: Exclude<InputSource, string>): given is readonly string[] {
  return Array.isArray(given);
}
