import { createGunzip } from 'node:zlib';
import { pipeline } from 'node:stream';
import type { BatchError, BatchSpec } from '@sconce/contracts';
import {
  REQUEST_COLUMNS,
  createWriter,
  datasetError,
  mapInputs,
  mapOutputs,
  openDataset,
  readCustomId,
  type DatasetReader,
} from '@sconce/datasets';
import { SconceError, toSconceError } from '@sconce/errors';
import { DATATYPE_BYTES } from '@sconce/tensor';
// Types alone: the queue's libraries would take some 15 MB in every dataset thread.
import type { DatasetTasks } from '../dataset-protocol.ts';
import type { PinnedDataset, ScoredModel, ScoringPlan } from '../scoring-plan.ts';
import { IdSet } from './id-set.ts';
import type { TaskContext } from './task-context.ts';

/** Bytes of inputs that a block should hold. */
const BLOCK_BYTES = 512 * 1024;
/** Runs of a block: a chunk cannot be less than one, and a run may take seconds. */
const MAX_BLOCK_RUNS = 4;
/** Largest dataset after decompression. */
const MAX_UNPACKED_BYTES = 2 ** 40;
/** Errors that a batch tells of. */
const MAX_ERRORS = 100;
/** Lines of one batch of requests: their ids are held in memory while they are compared. */
const MAX_REQUESTS = 2_000_000;
const TEXT_FORMATS: readonly string[] = ['csv', 'jsonl'];

type Reply = DatasetTasks['validate']['reply'];

/** Looks at a batch's dataset before anything of it is run. What is wrong with it is answered, not thrown. */
export async function validateDataset(task: DatasetTasks['validate']['task'], context: TaskContext): Promise<Reply> {
  try {
    return await validate(task, context);
  } catch (thrown) {
    const error = toSconceError(thrown);
    if (error.code !== 'invalid_dataset' && error.code !== 'invalid_request') throw error;
    const { code, message, details } = error;
    return { errors: [{ code, message, param: details.param ?? null, line: null }] };
  }
}

async function validate(task: DatasetTasks['validate']['task'], context: TaskContext): Promise<Reply> {
  const { spec, model, runRows } = task;
  const dataset = await unpack(await context.sources.pin(spec.input), task, context);
  const csv = csvOf(spec);
  await using reader = await openDataset(await context.sources.open(dataset), spec.format, { csv });
  const common = {
    kind: spec.kind,
    dataset,
    format: spec.format,
    csv,
    model,
    allowNonFinite: spec.table.allow_non_finite ?? false,
  };
  if (spec.kind === 'requests') {
    const looked = await lookAtRequests(reader, context.signal);
    if (looked.errors.length > 0) return { errors: looked.errors };
    const plan: ScoringPlan = {
      ...common,
      outputFormat: 'jsonl',
      runRows,
      blockRows: runRows * 4,
      inputs: [],
      columns: [],
    };
    return { dataset: { plan, start: reader.start, rows: looked.rows } };
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
  const outputFormat = spec.table.output_format ?? spec.format;
  await createWriter(columns, outputFormat, { csv });
  const plan = { ...common, outputFormat, runRows, blockRows: blockRows(model, runRows), inputs, columns };
  return { dataset: { plan, start: reader.start, ...(reader.rows === undefined ? {} : { rows: reader.rows }) } };
}

/** A compressed text file is unpacked into the store first: its rows cannot be reached otherwise. */
async function unpack(
  pinned: PinnedDataset,
  { batchId, spec }: { readonly batchId: string; readonly spec: BatchSpec },
  { sources, store, signal }: TaskContext,
): Promise<PinnedDataset> {
  if (!TEXT_FORMATS.includes(spec.format) || pinned.sizeBytes < 2) return pinned;
  await using source = await sources.open(pinned);
  const [first, second] = await source.read(0, 2);
  if (first !== 0x1f || second !== 0x8b) return pinned;
  const gunzip = createGunzip();
  async function* packed(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < source.size; at += BLOCK_BYTES)
      yield source.read(at, Math.min(BLOCK_BYTES, source.size - at));
  }
  pipeline(packed, gunzip, () => undefined);
  const location = { kind: 'blob', key: `batches/${batchId}/input` } as const;
  try {
    await store.put(location.key, gunzip, { maxBytes: MAX_UNPACKED_BYTES, signal });
  } catch (error) {
    if (error instanceof SconceError && error.code !== 'internal') throw error;
    const why = (error as NodeJS.ErrnoException).code === 'Z_BUF_ERROR' ? 'it is cut off' : (error as Error).message;
    throw datasetError(`The gzip file cannot be unpacked: ${why}.`, { param: 'input', cause: error });
  }
  return sources.pin(location);
}

/** Every line once: ids that are missing or come twice make the whole batch fail, as its answers could not be told apart. */
async function lookAtRequests(
  reader: DatasetReader,
  signal: AbortSignal,
): Promise<{ readonly rows: number; readonly errors: readonly BatchError[] }> {
  const ids = new IdSet();
  const errors: BatchError[] = [];
  let rows = 0;
  let from = reader.start;
  for (let last = false; !last && errors.length < MAX_ERRORS;) {
    signal.throwIfAborted();
    const planned = await reader.plan(from, { rows: 50_000, multipleOf: 1, maxBytes: 2 ** 26 });
    ({ last, next: from } = planned);
    if (planned.chunk === undefined) continue;
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
              message: `The file has more than ${MAX_REQUESTS} request lines: send a table of rows instead ("model" and "format"), which has no bound, or several batches.`,
            },
          ],
        };
      }
      const { cells } = block;
      if (cells.by !== 'row') continue;
      for (let row = 0; row < block.rows && errors.length < MAX_ERRORS; row++) {
        const line = block.firstRow + row + 1;
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
            message: `Line ${line}: custom_id ${JSON.stringify(id.customId)} was used on a line before.`,
            line,
            param: 'custom_id',
          });
        }
      }
    }
  }
  if (rows === 0 && errors.length === 0)
    errors.push({ code: 'empty_file', message: 'The file has no request lines.', line: null, param: null });
  return { rows, errors };
}

/** Rows of a block: as many runs as make up half a megabyte of inputs, one at least. */
function blockRows({ signature, rowInputs }: ScoredModel, runRows: number): number {
  const rowBytes = signature.inputs.reduce((sum, { name, datatype, shape }) => {
    const own = rowInputs.includes(name) ? shape.slice(1) : shape;
    // A free axis is taken for a middling one.
    return sum + own.reduce((product, size) => product * (size < 0 ? 128 : size), DATATYPE_BYTES[datatype] ?? 32);
  }, 0);
  const runs = Math.floor(BLOCK_BYTES / Math.max(1, rowBytes) / runRows);
  return runRows * Math.max(1, Math.min(MAX_BLOCK_RUNS, runs));
}

function csvOf({ table, inputName }: BatchSpec): ScoringPlan['csv'] {
  const { delimiter, header } = table.csv ?? {};
  const tab = delimiter === undefined && /\.tsv(\.gz)?$/i.test(inputName) ? '\t' : delimiter;
  return { ...(tab === undefined ? {} : { delimiter: tab }), ...(header === undefined ? {} : { header }) };
}
