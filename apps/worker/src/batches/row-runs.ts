import { SconceError, toSconceError } from '@sconce/errors';
import type { BatchableModel, MicroBatcher, RunRecord } from '@sconce/runtime';
import { sliceRows, type Tensor } from '@sconce/tensor';
import type { RunPiece, RunRequest } from './dataset-protocol.ts';

/** How the rows of a batch run. */
export interface RowRunOptions {
  readonly model: BatchableModel;
  /** Rows of a session call. */
  readonly runRows: number;
  readonly priority: number;
  readonly signal: AbortSignal;
  /** The batch's trace, to which runs that others shared link. */
  readonly label?: string;
  /** Told of the runs that the rows took. */
  readonly onRuns?: (runs: readonly RunRecord[]) => void;
}

/**
 * Runs rows in groups of `runRows`. Where a run fails for what is in it, its rows are halved until those that are at fault stand alone:
 * they get the error, the others their outputs. What is no fault of the rows (a thread that ended, a shutdown) is thrown.
 */
export async function runRows(
  batcher: MicroBatcher,
  request: RunRequest,
  options: RowRunOptions,
): Promise<readonly RunPiece[]> {
  const { rows } = request;
  try {
    return [{ rows, outputs: await submit(batcher, request, options) }];
  } catch (thrown) {
    const error = toSconceError(thrown);
    if (!ROWS_FAULT.has(error.code)) throw error;
    if (rows === 1) return [{ rows, error: error.toJSON() }];
    const half = halfOf(rows, options.runRows);
    const [first, second] = await Promise.all([
      runRows(batcher, partOf(request, { from: 0, to: half }, options.model), options),
      runRows(batcher, partOf(request, { from: half, to: rows }, options.model), options),
    ]);
    return [...first, ...second];
  }
}

/** What a run fails with for what is in its rows. */
const ROWS_FAULT: ReadonlySet<SconceError['code']> = new Set(['inference_failed', 'invalid_tensor']);

async function submit(batcher: MicroBatcher, request: RunRequest, options: RowRunOptions): Promise<readonly Tensor[]> {
  const { model, priority, signal, label } = options;
  const outputs = request.outputs.map((name) => {
    const spec = model.signature.outputs.find((output) => output.name === name);
    if (spec === undefined) throw new SconceError('internal', `The model has no output "${name}"`);
    return spec;
  });
  const reply = await batcher.submit({
    model,
    inputs: request.inputs,
    outputs,
    lane: 'batch',
    priority,
    signal,
    runRows: options.runRows,
    ...(label === undefined ? {} : { label }),
  });
  options.onRuns?.(reply.runs);
  return reply.outputs;
}

/** Where rows are cut in two: between runs, as long as there are several. */
function halfOf(rows: number, size: number): number {
  return rows > size ? Math.ceil(rows / size / 2) * size : Math.ceil(rows / 2);
}

function partOf(
  request: RunRequest,
  { from, to }: { from: number; to: number },
  { rowInputs }: BatchableModel,
): RunRequest {
  const inputs = request.inputs.map((input) => (rowInputs.has(input.name) ? sliceRows(input, from, to) : input));
  return { ...request, inputs, rows: to - from };
}
