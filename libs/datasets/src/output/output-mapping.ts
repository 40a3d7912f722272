import { formatSpec, type Datatype, type TensorSpec } from '@sconce/tensor';
import { datasetError, listed, repeated, shown } from '../dataset-error.ts';
import type { DatasetColumn } from '../dataset-reader.ts';
import type { ExactType } from '../values/exact-value.ts';

/** Transforms of an output before it is written. */
export const OUTPUT_TRANSFORMS = ['none', 'argmax', 'softmax', 'top_k'] as const;

export type OutputTransform = (typeof OUTPUT_TRANSFORMS)[number];

/** A requested output column. */
export interface OutputSelection {
  /** The model's output. May be left out if the model has one output. */
  readonly from?: string | undefined;
  /** Name of the column. Default: the output's name. */
  readonly name?: string | undefined;
  /**
   * Along the output's last axis: `argmax` gives the index of the largest value (INT64), `softmax` gives probabilities, and `top_k` gives the
   * indices of the `k` largest values, largest first, and the values in a second column `<name>_values`.
   */
  readonly transform?: OutputTransform | undefined;
  readonly k?: number | undefined;
}

/** The datatype of a column of results. `BYTES` is text; `JSON` is any value of the input row. */
export type ColumnDatatype = Exclude<Datatype, 'FP16' | 'BF16'> | 'JSON';

/** A column of results. */
export interface OutputColumn {
  readonly name: string;
  readonly datatype: ColumnDatatype;
  /** Shape of one row's value: `[]` is a single value; -1 if the size differs between rows. */
  readonly rowShape: readonly number[];
  /** Of a passed column: the type of its values or elements, if no tensor has it. A format without the type stores text. */
  readonly exact?: ExactType | undefined;
  readonly source:
    | { readonly kind: 'column'; readonly column: string }
    | {
        readonly kind: 'output';
        readonly output: string;
        readonly transform: OutputTransform;
        readonly k: number;
        /** Which result of the transform: `top_k` has two. */
        readonly part: 'values' | 'indices';
      };
}

/** Number of elements of a row's value; -1 if it differs between rows. */
export function widthOf({ rowShape }: Pick<OutputColumn, 'rowShape'>): number {
  return rowShape.some((size) => size < 0) ? -1 : rowShape.reduce((product, size) => product * size, 1);
}

/**
 * The columns of the results: the columns that are passed through from the input, then the selected outputs of the model. Without a
 * selection, all outputs are written without a transform.
 *
 * @throws SconceError `invalid_dataset` with the field as `details.param`: unknown outputs or columns, a transform that does not fit, two
 * columns with the same name.
 */
export function mapOutputs(options: {
  readonly outputs: readonly TensorSpec[];
  /** Whether axis 0 of the outputs has the rows. */
  readonly hasRows: boolean;
  readonly selection?: readonly OutputSelection[] | undefined;
  readonly passThrough?: readonly string[] | undefined;
  readonly dataset: { readonly columns: readonly DatasetColumn[]; readonly closed: boolean };
}): readonly OutputColumn[] {
  const { outputs, hasRows, passThrough = [], dataset } = options;
  const selection: readonly OutputSelection[] = options.selection ?? outputs.map(({ name }) => ({ from: name }));
  const columns = [
    ...passThrough.map((name) => passedColumn(dataset, name)),
    ...selection.flatMap((chosen, index) => outputColumns(outputs, { chosen, index, hasRows })),
  ];
  const [twice] = repeated(columns.map(({ name }) => name));
  if (twice !== undefined) {
    throw datasetError(`Two columns of the results have the name ${shown(twice)}: give one of them another name.`, {
      param: 'outputs',
    });
  }
  if (columns.length === 0)
    throw datasetError('The results have no columns: select at least one output.', { param: 'outputs' });
  return columns;
}

function passedColumn(
  { columns, closed }: { columns: readonly DatasetColumn[]; closed: boolean },
  name: string,
): OutputColumn {
  const column = columns.find((own) => own.name === name);
  if (column === undefined && closed) {
    const there = listed(columns.map((own) => own.name));
    throw datasetError(`pass_through has ${shown(name)}, which is not a column; the file has ${there}.`, {
      param: 'pass_through',
    });
  }
  const { datatype, list, unreadable, exact, nested } = column ?? {};
  if (unreadable !== undefined) throw datasetError(unreadable, { param: 'pass_through' });
  const source = { kind: 'column', column: name } as const;
  // Lists of lists are JSON in formats of typed columns: a flat list would lose their ends.
  if (nested === true) return { name, datatype: 'JSON', rowShape: [], source };
  return {
    name,
    datatype: datatype === undefined ? (closed ? 'BYTES' : 'JSON') : widen(datatype),
    rowShape: list === undefined ? [] : [list],
    ...(exact === undefined ? {} : { exact }),
    source,
  };
}

function outputColumns(
  outputs: readonly TensorSpec[],
  { chosen, index, hasRows }: { chosen: OutputSelection; index: number; hasRows: boolean },
): OutputColumn[] {
  const { transform = 'none', k = 5 } = chosen;
  const from = chosen.from ?? (outputs.length === 1 ? outputs[0]?.name : undefined);
  const output = outputs.find(({ name }) => name === from);
  const param = `outputs[${index}]`;
  if (output === undefined || from === undefined) {
    throw datasetError(
      `${param} has the output ${shown(from)}, which the model lacks; its outputs are ${listed(outputs.map(({ name }) => name))}.`,
      {
        param,
      },
    );
  }
  const rowShape = hasRows ? output.shape.slice(1) : output.shape;
  const name = chosen.name ?? from;
  const source = { kind: 'output', output: from, transform, k, part: 'values' } as const;
  if (transform === 'none') return [{ name, datatype: widen(output.datatype), rowShape, source }];
  const classes = rowShape.at(-1);
  if (classes === undefined || output.datatype === 'BYTES' || output.datatype === 'BOOL') {
    throw datasetError(
      `${param}: ${transform} needs numbers with at least one axis per row; output ${shown(from)} is ${formatSpec(output)}.`,
      {
        param,
      },
    );
  }
  const outer = rowShape.slice(0, -1);
  const indices = { ...source, part: 'indices' } as const;
  if (transform === 'argmax') return [{ name, datatype: 'INT64', rowShape: outer, source: indices }];
  if (transform === 'softmax') return [{ name, datatype: 'FP32', rowShape, source }];
  if (!Number.isInteger(k) || k < 1 || (classes >= 0 && k > classes)) {
    throw datasetError(`${param}: k is ${k}; expected 1 to ${classes}, the values of output ${shown(from)}.`, {
      param,
    });
  }
  return [
    { name, datatype: 'INT64', rowShape: [...outer, k], source: indices },
    { name: `${name}_values`, datatype: widen(output.datatype), rowShape: [...outer, k], source },
  ];
}

function widen(datatype: Datatype): ColumnDatatype {
  return datatype === 'FP16' || datatype === 'BF16' ? 'FP32' : datatype;
}
