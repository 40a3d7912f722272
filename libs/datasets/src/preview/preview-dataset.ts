import { SconceError, toSconceError } from '@sconce/errors';
import type { OpenByteSource } from '@sconce/storage';
import { formatSpec, type ModelSignature } from '@sconce/tensor';
import type { DatasetColumn, DatasetReader } from '../dataset-reader.ts';
import { mapEachInput, mapInputs, type MappableModel, type MappedInput } from '../mapping/input-mapping.ts';
import { createWriter } from '../open-dataset.ts';
import { mapOutputs, widthOf, type OutputColumn } from '../output/output-mapping.ts';
import type {
  DatasetPreview,
  PreviewProblem,
  PreviewedColumn,
  PreviewedInput,
  PreviewedTable,
} from './dataset-preview.ts';
import { fileKind, headOf, openHead, type DatasetHead } from './open-head.ts';
import { readSample, type RunRows, type Sample } from './read-sample.ts';
import { fixOfParam, suggestColumns, suggestDelimiter, suggestFormat } from './suggest.ts';
import { columnType, isNumeric } from './value-types.ts';

/** Most columns that a preview describes. */
const MAX_SHOWN_COLUMNS = 200;
/** Most columns that an input lists. */
const MAX_NAMES = 100;

/** The model that would score the dataset. */
export interface PreviewedModel {
  readonly signature: ModelSignature;
  /** Inputs whose axis 0 is rows; empty if each row runs alone. */
  readonly rowInputs: ReadonlySet<string>;
}

export interface PreviewOptions {
  readonly table: PreviewedTable;
  readonly model: PreviewedModel;
  /** Runs rows of the sample. Without it nothing is scored. */
  readonly run?: RunRows | undefined;
}

/**
 * What a batch of the dataset would do: reads its beginning as a batch does, maps columns to inputs, and scores the first rows. The source
 * is closed. Errors of the dataset are in the preview. @throws SconceError `storage_unavailable`, and the errors of `run` that are not
 * caused by the rows.
 */
export async function previewDataset(source: OpenByteSource, options: PreviewOptions): Promise<DatasetPreview> {
  const { table, model } = options;
  const bytes = source.size;
  const first = await headOf(source);
  const warnings: PreviewProblem[] = [];
  const other = suggestFormat(first, table.format);
  let head: DatasetHead;
  try {
    head = await openHead(source, table);
  } catch (thrown) {
    const error = datasetErrorOf(thrown);
    const problem = other === undefined ? problemOf(error, fixOfParam(error.details.param, [], '')) : other;
    return unread(bytes, { table, model, first, problem });
  }
  await using reader = head.reader;
  const found = await mapColumns(reader, options);
  const delimiter = table.format === 'csv' ? suggestDelimiter(reader.columns) : undefined;
  if (delimiter !== undefined) warnings.push(delimiter);
  let sample: Sample;
  try {
    sample = await readSample(head, { ...found, table, model, run: options.run });
  } catch (thrown) {
    const problem = problemOf(datasetErrorOf(thrown), undefined);
    return { ...unread(bytes, { table, model, first, problem }), inputs: found.inputs };
  }
  warnings.push(...sample.warnings);
  const mapped = withFixes(found, reader.columns, { options, sample });
  // A text may begin like a file of another format.
  const errors = mapped.errors.length > 0 && other !== undefined ? [other, ...mapped.errors] : mapped.errors;
  if (errors.length === 0 && other !== undefined) warnings.push(other);
  const allFail = sample.tried.rows > 0 && sample.tried.failed === sample.tried.rows;
  const { rows, isExact } = countRows(head, bytes, sample);
  const secondsPerRow = sample.secondsPerRow;
  return {
    ok: errors.length === 0 && !allFail,
    dataset: { ...describe(bytes, table, first), rows, exact: isExact },
    columns: describeColumns(reader.columns, mapped, { table, sample }),
    width: reader.columns.length,
    inputs: mapped.inputs,
    outputs: mapped.columns.map((column) => ({ name: column.name, type: outputType(column) })),
    rows: sample.rows,
    sample: sample.tried,
    errors,
    warnings,
    estimate: secondsPerRow === undefined ? null : { seconds: Math.ceil(rows * secondsPerRow * 10) / 10 },
  };
}

/** The columns of a file, as far as they can be mapped. */
export interface Mapping {
  readonly inputs: readonly PreviewedInput[];
  /** Of the inputs that have their columns. */
  readonly mapped: readonly MappedInput[];
  /** Columns of the results. */
  readonly columns: readonly OutputColumn[];
  readonly errors: readonly PreviewProblem[];
}

async function mapColumns(reader: DatasetReader, { table, model }: PreviewOptions): Promise<Mapping> {
  const { signature, rowInputs } = model;
  const errors: PreviewProblem[] = [];
  const mappable: MappableModel = { inputs: signature.inputs, rowInputs };
  const known = Object.fromEntries(
    Object.entries(table.inputs ?? {}).filter(([name]) => signature.inputs.some((input) => input.name === name)),
  );
  // An input that the model lacks makes the whole mapping an error.
  if (Object.keys(known).length < Object.keys(table.inputs ?? {}).length) {
    errors.push(attempt(() => mapInputs(reader, mappable, table.inputs)));
  }
  const each = mapEachInput(reader, mappable, known);
  const kept = table.passThrough ?? [];
  const inputs = each.map((one, index): PreviewedInput => {
    const spec = signature.inputs[index];
    if (spec === undefined) throw new SconceError('internal', 'a mapped input is not in the signature');
    const type = formatSpec(spec);
    if (one instanceof SconceError) {
      const problem = problemOf(one, undefined);
      errors.push(problem);
      return { name: spec.name, type, columns: null, width: 0, problem };
    }
    const value = one.source.kind === 'constant' ? { value: one.source.value } : {};
    const names = columnsOf(one);
    return { name: spec.name, type, columns: names?.slice(0, MAX_NAMES) ?? null, width: names?.length ?? 0, ...value };
  });
  let columns: readonly OutputColumn[] = [];
  try {
    columns = mapOutputs({
      outputs: signature.outputs,
      hasRows: rowInputs.size > 0,
      selection: table.outputs,
      passThrough: kept,
      dataset: reader,
    });
    await createWriter(columns, table.outputFormat, { csv: table.csv });
  } catch (thrown) {
    const error = datasetErrorOf(thrown);
    const wanted = kept.find((name) => !reader.columns.some((column) => column.name === name)) ?? '';
    errors.push(problemOf(error, fixOfParam(error.details.param, reader.columns, wanted)));
  }
  return { inputs, mapped: each.filter((one): one is MappedInput => !(one instanceof SconceError)), columns, errors };
}

/** The mapping with columns that inputs without columns are likely to take. */
function withFixes(
  mapping: Mapping,
  columns: readonly DatasetColumn[],
  { options, sample }: { readonly options: PreviewOptions; readonly sample: Sample },
): Mapping {
  const { signature, rowInputs } = options.model;
  const missing = mapping.inputs.filter(({ problem }) => problem !== undefined);
  if (missing.length === 0) return mapping;
  const taken = new Set([
    ...mapping.mapped.flatMap((input) => columnsOf(input) ?? []),
    ...(options.table.passThrough ?? []),
  ]);
  const unused = columns.filter(({ name }) => !taken.has(name));
  const context = {
    columns,
    free: unused.map(({ name }) => name),
    numeric: unused
      .filter((column) => isNumeric(columnType(column, sample.values(column.name))))
      .map(({ name }) => name),
    isOnlyInput: missing.length === 1,
  };
  const fixed = new Map<PreviewProblem, PreviewProblem>();
  for (const { name, problem } of missing) {
    const spec = signature.inputs.find((input) => input.name === name);
    if (problem === undefined || spec === undefined) continue;
    const fix = suggestColumns(spec, { inputs: signature.inputs, rowInputs }, context);
    if (fix !== undefined) fixed.set(problem, { ...problem, fix });
  }
  const replace = (problem: PreviewProblem): PreviewProblem => fixed.get(problem) ?? problem;
  return {
    ...mapping,
    inputs: mapping.inputs.map((input) =>
      input.problem === undefined ? input : { ...input, problem: replace(input.problem) },
    ),
    errors: mapping.errors.map(replace),
  };
}

/** The error that the work throws. */
function attempt(work: () => unknown): PreviewProblem {
  try {
    work();
  } catch (error) {
    return problemOf(datasetErrorOf(error), undefined);
  }
  throw new SconceError('internal', 'the mapping was expected to fail');
}

/** Columns of an input; null for a constant. */
function columnsOf({ source }: MappedInput): readonly string[] | null {
  return source.kind === 'constant' ? null : source.kind === 'list' ? [source.column] : source.columns;
}

function describeColumns(
  all: readonly DatasetColumn[],
  { mapped }: Mapping,
  { table, sample }: { readonly table: PreviewedTable; readonly sample: Sample },
): readonly PreviewedColumn[] {
  const uses = new Map<string, string[]>();
  for (const input of mapped) {
    const { name } = input;
    for (const column of columnsOf(input) ?? []) uses.set(column, [...(uses.get(column) ?? []), name]);
  }
  const kept = new Set(table.passThrough);
  return all.slice(0, MAX_SHOWN_COLUMNS).map((column) => ({
    name: column.name,
    type: columnType(column, sample.values(column.name)),
    inputs: uses.get(column.name) ?? [],
    kept: kept.has(column.name),
  }));
}

/** Number of rows: as the file has it, or as many as its bytes have at the size of the first rows. */
function countRows(head: DatasetHead, bytes: number, sample: Sample): { rows: number; isExact: boolean } {
  if (head.reader.rows !== undefined) return { rows: head.reader.rows, isExact: true };
  if (sample.isWhole && head.isWhole) return { rows: sample.tried.rows, isExact: true };
  const unpacked = head.isWhole ? head.unpackedBytes : (bytes / head.bytes) * head.unpackedBytes;
  const ofRows = unpacked - head.reader.start.offset;
  return { rows: Math.round(ofRows / Math.max(1, sample.bytesPerRow)), isExact: false };
}

function describe(
  bytes: number,
  table: PreviewedTable,
  first: Uint8Array,
): Omit<DatasetPreview['dataset'], 'rows' | 'exact'> {
  const isCsv = table.format === 'csv';
  return {
    bytes,
    format: table.format,
    ...fileKind(first, table),
    delimiter: isCsv ? (table.csv.delimiter ?? ',') : null,
    header: isCsv ? (table.csv.header ?? true) : null,
  };
}

/** The preview of a file that cannot be read. */
function unread(
  bytes: number,
  {
    table,
    model,
    first,
    problem,
  }: {
    readonly table: PreviewedTable;
    readonly model: PreviewedModel;
    readonly first: Uint8Array;
    readonly problem: PreviewProblem;
  },
): DatasetPreview {
  const isUnknownEncoding = problem.param === 'encoding';
  const kind = describe(bytes, isUnknownEncoding ? { ...table, encoding: undefined } : table, first);
  return {
    ok: false,
    dataset: { ...kind, ...(isUnknownEncoding ? { encoding: null } : {}), rows: null, exact: false },
    columns: [],
    width: 0,
    inputs: model.signature.inputs.map((spec) => ({
      name: spec.name,
      type: formatSpec(spec),
      columns: null,
      width: 0,
    })),
    outputs: [],
    rows: [],
    sample: { rows: 0, failed: 0 },
    errors: [problem],
    warnings: [],
    estimate: null,
  };
}

function outputType(column: OutputColumn): string {
  const width = widthOf(column);
  const { exact, datatype, rowShape } = column;
  const type = exact === undefined ? datatype : exact.kind;
  return rowShape.length === 0 || width === 1 ? type : `${type}[${rowShape.join(',')}]`;
}

/** The error, if it is one of the dataset or the request. @throws any other error. */
function datasetErrorOf(thrown: unknown): SconceError {
  const error = toSconceError(thrown);
  if (error.code === 'invalid_dataset' || error.code === 'invalid_request') return error;
  throw error;
}

function problemOf({ code, message, details }: SconceError, fix: PreviewProblem['fix']): PreviewProblem {
  return { code, message, param: details.param ?? null, ...(fix === undefined ? {} : { fix }) };
}
