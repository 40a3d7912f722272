import { isRunFailure, toSconceError } from '@sconce/errors';
import { sliceRows, type Tensor } from '@sconce/tensor';
import type { RowProblem } from '../dataset-error.ts';
import { InputEncoder, type InputGroup } from '../mapping/encode-inputs.ts';
import { isMissing, missingValue } from '../mapping/missing-values.ts';
import { numberFormat, plainNumber } from '../mapping/number-format.ts';
import { createWriter } from '../open-dataset.ts';
import { OutputEncoder, type GroupResult } from '../output/output-encoder.ts';
import { cellOf, type RowBlock } from '../row-block.ts';
import type { PreviewProblem, PreviewedRow, PreviewedTable } from './dataset-preview.ts';
import type { DatasetHead } from './open-head.ts';
import type { Mapping, PreviewedModel } from './preview-dataset.ts';
import { isNonFinite, shownValue } from './value-types.ts';

/** Runs rows and returns the outputs by name. @throws SconceError of a run. */
export type RunRows = (inputs: readonly Tensor[], rows: number) => Promise<readonly Tensor[]>;

/** Rows that are shown. */
const SHOWN_ROWS = 5;
/** Rows that are tried, if rows can share a run. */
const SAMPLE_ROWS = 64;
const SAMPLE_BYTES = 1024 ** 2;
/** Columns without a use that are read. */
const SHOWN_COLUMNS = 20;
/** Values of a row that are shown. */
const MAX_VALUES = 50;

/** The first rows of a dataset. */
export interface Sample {
  readonly rows: readonly PreviewedRow[];
  readonly tried: { readonly rows: number; readonly failed: number };
  /** Whether the dataset has no other rows. */
  readonly isWhole: boolean;
  readonly bytesPerRow: number;
  /** Seconds of a run divided by its rows; undefined if nothing ran. */
  readonly secondsPerRow: number | undefined;
  readonly warnings: readonly PreviewProblem[];
  /** Values of a column; none if it was not read. */
  values(column: string): readonly unknown[];
}

interface Scored {
  readonly results: readonly Readonly<Record<string, unknown>>[];
  /** Rows of the results by their index in the block. */
  readonly rows: readonly number[];
  readonly problems: ReadonlyMap<number, RowProblem & { readonly code?: string }>;
  readonly secondsPerRow: number | undefined;
}

/** Reads the first rows, and scores them if every input has its columns. @throws SconceError `invalid_dataset`. */
export async function readSample(
  { reader, isWhole }: DatasetHead,
  context: Mapping & {
    readonly table: PreviewedTable;
    readonly model: PreviewedModel;
    readonly run: RunRows | undefined;
  },
): Promise<Sample> {
  const { mapped, columns, errors, table, model, run } = context;
  const canScore = errors.length === 0;
  const inputs = new InputEncoder(mapped, {
    allowNonFinite: table.allowNonFinite,
    missing: missingValue(table.missing),
    numbers: numberFormat(table.csv),
  });
  const outputs = new OutputEncoder(columns);
  const needed = [...new Set([...inputs.columns, ...outputs.passThrough])];
  const others = reader.columns.filter(({ name, unreadable }) => unreadable === undefined && !needed.includes(name));
  const names = [...needed, ...others.slice(0, SHOWN_COLUMNS).map(({ name }) => name)];
  const wanted = model.rowInputs.size > 0 ? SAMPLE_ROWS : SHOWN_ROWS;
  const { chunk, last } = await reader.plan(reader.start, { rows: wanted, multipleOf: 1, maxBytes: SAMPLE_BYTES });
  const none = { code: 'no_rows', message: 'The file has no rows.', param: null };
  const empty = { rows: [], tried: { rows: 0, failed: 0 }, bytesPerRow: 0, secondsPerRow: undefined, warnings: [none] };
  if (chunk === undefined) return { ...empty, isWhole: true, values: () => [] };
  let block: RowBlock | undefined;
  for await (const read of reader.read({ range: chunk, columns: names, blockRows: wanted })) {
    block ??= read;
  }
  if (block === undefined) return { ...empty, isWhole: true, values: () => [] };
  const unused = new Set(others.map(({ name }) => name));
  const found = block.problems;
  // A batch does not read the other columns, so their text may be anything.
  const counts = ([, problem]: readonly [number, RowProblem]): boolean =>
    !isEncodingProblem(problem) || !unused.has(problem.column ?? '');
  block = { ...block, problems: new Map([...found].filter(counts)) };
  const { rows, cells, firstRow } = block;
  const places = new Map(names.map((name, at) => [name, at]));
  const first = reader.columns.map(({ name }) => name).filter((name) => places.has(name));
  const inFile = first.slice(0, MAX_VALUES);
  const values = (name: string): readonly unknown[] => {
    const at = places.get(name);
    return at === undefined ? [] : Array.from({ length: rows }, (_, row) => cellOf(cells, row, at));
  };
  const scored: Scored = canScore
    ? await scoreBlock(block, { inputs, outputs, context, run, needed })
    : { results: [], rows: [], problems: block.problems, secondsPerRow: undefined };
  const resultOf = new Map(scored.rows.map((row, at) => [row, scored.results[at]]));
  const failing = [...scored.problems.keys()];
  const shown = Array.from({ length: Math.min(SHOWN_ROWS, rows) }, (_, row): PreviewedRow => {
    const problem = scored.problems.get(row);
    const result = resultOf.get(row);
    return {
      row: firstRow + row + 1,
      values: Object.fromEntries(inFile.map((name) => [name, shownValue(cellOf(cells, row, places.get(name) ?? -1))])),
      ...(result === undefined ? {} : { result }),
      ...(problem === undefined ? {} : { error: rowError(problem) }),
    };
  });
  return {
    rows: shown,
    tried: { rows, failed: failing.length },
    isWhole: isWhole && last,
    bytesPerRow: chunk.length / chunk.rows,
    secondsPerRow: scored.secondsPerRow,
    warnings: [
      ...encodingWarning(found),
      ...firstFailure(scored, firstRow, rows),
      ...valueWarnings(failing, { inputs, table, valueOf: (row, at) => cellOf(cells, row, at) }),
    ],
    values,
  };
}

function rowError({
  code = 'invalid_row',
  message,
  column,
}: RowProblem & { readonly code?: string }): NonNullable<PreviewedRow['error']> {
  return { code, message, param: column ?? null };
}

async function scoreBlock(
  block: RowBlock,
  work: {
    readonly inputs: InputEncoder;
    readonly outputs: OutputEncoder;
    readonly context: Mapping & { readonly model: PreviewedModel };
    readonly run: RunRows | undefined;
    /** The columns with which the cells begin. */
    readonly needed: readonly string[];
  },
): Promise<Scored> {
  const { inputs, outputs, context, run, needed } = work;
  const { groups, problems: found } = inputs.encode(block);
  const problems = new Map<number, RowProblem & { code?: string }>(found);
  if (run === undefined) return { results: [], rows: [], problems, secondsPerRow: undefined };
  const passed = outputs.copyPassed(
    block,
    outputs.passThrough.map((name) => needed.indexOf(name)),
  );
  const results: GroupResult[] = [];
  let seconds: number | undefined;
  for (const group of groups) {
    const beganMs = performance.now();
    try {
      results.push({ rows: group.rows, outputs: await run(group.inputs, group.rows.length) });
      const own = (performance.now() - beganMs) / 1_000 / group.rows.length;
      seconds = Math.min(seconds ?? own, own);
    } catch (thrown) {
      failedRun(thrown);
      for (const [index, row] of group.rows.entries()) {
        try {
          results.push({ rows: [row], outputs: await run(rowOf(group, index, context.model), 1) });
        } catch (alone) {
          const { code, message } = failedRun(alone);
          problems.set(row, { code, message });
        }
      }
    }
  }
  results.sort((a, b) => (a.rows[0] ?? 0) - (b.rows[0] ?? 0));
  const writer = (await createWriter(context.columns, 'jsonl')).part();
  const text = results.length === 0 ? '' : Buffer.concat(writer.write(outputs.encode(results, passed))).toString();
  return {
    results: text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>),
    rows: results.flatMap(({ rows }) => rows).sort((a, b) => a - b),
    problems,
    secondsPerRow: seconds,
  };
}

function rowOf({ inputs }: InputGroup, index: number, { rowInputs }: PreviewedModel): readonly Tensor[] {
  return inputs.map((input) => (rowInputs.has(input.name) ? sliceRows(input, index, index + 1) : input));
}

/** The error of a run that failed because of its rows. @throws any other error. */
function failedRun(thrown: unknown): { code: string; message: string } {
  const error = toSconceError(thrown);
  if (!isRunFailure(error.code) && error.code !== 'invalid_tensor') throw error;
  return error;
}

function isEncodingProblem({ message }: RowProblem): boolean {
  return message.includes('not valid UTF-8');
}

/** Says that another encoding is likely, also if the text that shows it is in no column of the batch. */
function encodingWarning(problems: ReadonlyMap<number, RowProblem>): readonly PreviewProblem[] {
  const found = [...problems.values()].find(isEncodingProblem);
  if (found === undefined) return [];
  const where = found.column === undefined ? '' : ` of column ${JSON.stringify(found.column)}`;
  return [
    {
      code: 'encoding',
      message: `Text${where} is not UTF-8. Files of western Windows programs are often windows-1252.`,
      param: 'encoding',
      fix: { flag: '--encoding windows-1252', field: { encoding: 'windows-1252' } },
    },
  ];
}

/** How many rows fail, and what is wrong with the first of them. */
function firstFailure({ problems }: Scored, firstRow: number, rows: number): readonly PreviewProblem[] {
  const [first] = [...problems.entries()].sort(([a], [b]) => a - b);
  if (first === undefined) return [];
  const [row, problem] = first;
  const where = problem.column === undefined ? '' : ` in column ${JSON.stringify(problem.column)}`;
  const verb = problems.size === 1 ? 'fails' : 'fail';
  const message = `${problems.size} of the first ${rows} rows ${verb}. The first is row ${firstRow + row + 1}: ${problem.message}${where}.`;
  return [{ code: problem.code ?? 'invalid_row', message, param: problem.column ?? null }];
}

/** What the values of bad rows may mean, and how to say it. */
function valueWarnings(
  failing: readonly number[],
  {
    inputs,
    table,
    valueOf,
  }: {
    readonly inputs: InputEncoder;
    readonly table: PreviewedTable;
    readonly valueOf: (row: number, at: number) => unknown;
  },
): readonly PreviewProblem[] {
  const some = (is: (value: unknown) => boolean): boolean =>
    failing.some((row) => inputs.columns.some((_, at) => is(valueOf(row, at))));
  const warnings: PreviewProblem[] = [];
  if (!table.allowNonFinite && some(isNonFinite)) {
    warnings.push({
      code: 'non_finite',
      message: 'Rows with NaN or infinities fail, unless the request allows them.',
      param: 'allow_non_finite',
      fix: { flag: '--allow-nan', field: { allow_non_finite: true } },
    });
  }
  if (missingValue(table.missing) === undefined && some((value) => isMissing(value) && !isNonFinite(value))) {
    warnings.push({
      code: 'missing',
      message: 'Rows with missing values fail, unless the request says what stands for them: nan, or a value.',
      param: 'missing',
      fix: { flag: '--missing nan', field: { missing: 'nan' } },
    });
  }
  const comma = { decimal: ',' };
  const isComma = (value: unknown): boolean =>
    typeof value === 'string' && value.includes(',') && plainNumber(value, comma) !== undefined;
  if (numberFormat(table.csv) === undefined && some(isComma)) {
    warnings.push({
      code: 'decimal',
      message: 'Numbers have a comma, which may be the decimal separator.',
      param: 'csv.decimal',
      fix: { flag: "--decimal ','", field: { csv: comma } },
    });
  }
  return warnings;
}
