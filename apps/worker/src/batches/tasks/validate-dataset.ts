import type { BatchError } from '@sconce/contracts';
import {
  REQUEST_COLUMNS,
  createWriter,
  csvOptions,
  mapInputs,
  mapOutputs,
  openDataset,
  previewDataset,
  previewedTable,
  readCustomId,
  type DatasetPreview,
  type DatasetReader,
} from '@sconce/datasets';
import { toSconceError } from '@sconce/errors';
import { DATATYPE_BYTES } from '@sconce/tensor';
import type { DatasetTasks } from '../dataset-protocol.ts';
import type { ScoredModel, ScoringPlan } from '../scoring-plan.ts';
import { IdSet } from './id-set.ts';
import { prepareText } from './prepare-text.ts';
import type { TaskContext } from './task-context.ts';

/** Target size of a block's inputs, bytes. */
const BLOCK_BYTES = 512 * 1024;
/** Most runs of a block. A chunk has at least one block, and a run may take seconds. */
const MAX_BLOCK_RUNS = 4;
/** Most errors that a batch reports. */
const MAX_ERRORS = 100;
/** Most request lines of a batch: validation holds all their ids in memory. */
const MAX_REQUESTS = 2_000_000;

type Reply = DatasetTasks['validate']['reply'];

/** Checks a batch's dataset before any row runs. Errors of the dataset are returned, not thrown. */
export async function validateDataset(task: DatasetTasks['validate']['task'], context: TaskContext): Promise<Reply> {
  const preview = task.spec.preview === true ? { preview: await previewOf(task, context) } : {};
  const refused = preview.preview?.errors ?? [];
  if (refused.length > 0) {
    return { errors: refused.map(({ code, message, param }) => ({ code, message, param, line: null })), ...preview };
  }
  try {
    return { ...(await validate(task, context)), ...preview };
  } catch (thrown) {
    const error = toSconceError(thrown);
    if (error.code !== 'invalid_dataset' && error.code !== 'invalid_request') throw error;
    const { code, message, details } = error;
    return { errors: [{ code, message, param: details.param ?? null, line: null }], ...preview };
  }
}

async function previewOf(
  { spec, model }: DatasetTasks['validate']['task'],
  { sources }: TaskContext,
): Promise<DatasetPreview> {
  const source = await sources.open(await sources.pin(spec.input));
  return previewDataset(source, {
    table: previewedTable(spec.table, { format: spec.format, file: spec.inputName }),
    model: { signature: model.signature, rowInputs: new Set(model.rowInputs) },
  });
}

async function validate(task: DatasetTasks['validate']['task'], context: TaskContext): Promise<Reply> {
  const { spec, model, runRows } = task;
  const dataset = await prepareText(await context.sources.pin(spec.input), task, context);
  const csv = csvOptions(spec.inputName, spec.table.csv);
  await using reader = await openDataset(await context.sources.open(dataset), spec.format, { csv });
  const common = {
    kind: spec.kind,
    dataset,
    format: spec.format,
    csv,
    model,
    allowNonFinite: spec.table.allow_non_finite ?? false,
    missing: spec.table.missing,
    limit: spec.table.limit,
  };
  if (spec.kind === 'requests') {
    const checked = await checkRequestLines(reader, context.signal);
    if (checked.errors.length > 0) return { errors: checked.errors };
    const plan: ScoringPlan = {
      ...common,
      outputFormat: 'jsonl',
      runRows,
      blockRows: runRows * 4,
      inputs: [],
      columns: [],
    };
    return { dataset: { plan, start: reader.start, rows: checked.rows } };
  }
  const rowInputs = new Set(model.rowInputs);
  const inputs = mapInputs(reader, { inputs: model.signature.inputs, rowInputs }, spec.table.inputs);
  const columns = mapOutputs({
    outputs: model.signature.outputs,
    hasRows: rowInputs.size > 0,
    selection: spec.table.outputs,
    passThrough: spec.table.pass_through,
    dataset: reader,
  });
  // A dry run shows its rows as JSON, whatever they will be written as.
  const outputFormat = spec.preview === true ? 'jsonl' : (spec.table.output_format ?? spec.format);
  await createWriter(columns, outputFormat, { csv });
  const plan = { ...common, outputFormat, runRows, blockRows: blockRows(model, runRows), inputs, columns };
  return { dataset: { plan, start: reader.start, rows: limited(reader.rows, spec.table.limit) } };
}

function limited(rows: number | undefined, limit = Infinity): number | undefined {
  return rows === undefined ? undefined : Math.min(rows, limit);
}

/** Reads every line. A missing or repeated custom_id fails the whole batch, because its answers could not be assigned. */
async function checkRequestLines(
  reader: DatasetReader,
  signal: AbortSignal,
): Promise<{ readonly rows: number; readonly errors: readonly BatchError[] }> {
  const ids = new IdSet();
  const errors: BatchError[] = [];
  let rows = 0;
  /** Lines before the chunk, with blank lines. */
  let linesBefore = 0;
  let from = reader.start;
  for (let last = false; !last && errors.length < MAX_ERRORS;) {
    signal.throwIfAborted();
    const planned = await reader.plan(from, { rows: 50_000, multipleOf: 1, maxBytes: 2 ** 26 });
    ({ last, next: from } = planned);
    if (planned.chunk === undefined) continue;
    let blankLines = 0;
    for await (const block of reader.read({
      range: planned.chunk,
      columns: REQUEST_COLUMNS.slice(0, 1),
      blockRows: 1_000,
    })) {
      rows += block.rows;
      if (rows > MAX_REQUESTS) {
        return {
          rows,
          errors: [
            {
              code: 'too_many_requests',
              message: `The file has more than ${MAX_REQUESTS} request lines: send several batches, or a table of rows ("model" and "format"), which has no limit.`,
            },
          ],
        };
      }
      const { cells } = block;
      if (cells.by !== 'row') continue;
      for (let row = 0; row < block.rows && errors.length < MAX_ERRORS; row++) {
        blankLines = block.blankLines?.[row] ?? 0;
        const line = linesBefore + block.firstRow - planned.chunk.firstRow + row + 1 + blankLines;
        const problem = block.problems.get(row);
        if (problem !== undefined) {
          errors.push({ code: 'invalid_json_line', message: `Line ${line}: ${problem.message}.`, line, param: null });
          continue;
        }
        const id = readCustomId(cells.rows[row]?.[0]);
        if ('problem' in id)
          errors.push({ code: 'missing_custom_id', message: `Line ${line}: ${id.problem}.`, line, param: 'custom_id' });
        else if (!ids.add(id.customId)) {
          errors.push({
            code: 'duplicate_custom_id',
            message: `Line ${line}: custom_id ${JSON.stringify(id.customId)} was used on an earlier line.`,
            line,
            param: 'custom_id',
          });
        }
      }
    }
    linesBefore += planned.chunk.rows + blankLines;
  }
  if (rows === 0 && errors.length === 0)
    errors.push({ code: 'empty_file', message: 'The file has no request lines.', line: null, param: null });
  return { rows, errors };
}

/** Rows of a block: the runs that have about half a megabyte of inputs, at least one run. */
function blockRows({ signature, rowInputs }: ScoredModel, runRows: number): number {
  const rowBytes = signature.inputs.reduce((sum, { name, datatype, shape }) => {
    const own = rowInputs.includes(name) ? shape.slice(1) : shape;
    // A free axis counts as a medium size.
    return sum + own.reduce((product, size) => product * (size < 0 ? 128 : size), DATATYPE_BYTES[datatype] ?? 32);
  }, 0);
  const runs = Math.floor(BLOCK_BYTES / Math.max(1, rowBytes) / runRows);
  return runRows * Math.max(1, Math.min(MAX_BLOCK_RUNS, runs));
}
