import { SconceError, isRunFailure, toSconceError } from '@sconce/errors';
import type { BatchReply, BatchRequest, BatchableModel, RunRecord } from '@sconce/runtime';
import type { RunPort } from '@sconce/serving';
import { sliceRows, type Tensor } from '@sconce/tensor';
import type { RunPiece, RunRequest } from './dataset-protocol.ts';

/** How the rows of a chunk run. */
export interface RowRunOptions {
  readonly model: BatchableModel;
  /** Rows of a session call. */
  readonly runRows: number;
  readonly priority: number;
  readonly signal: AbortSignal;
  /** The batch's traceparent, for links from shared runs. */
  readonly label?: string | undefined;
  /** Owner of the batch. */
  readonly owner?: string | undefined;
  /** A worker ended while it scored the chunk of these rows. */
  readonly suspect?: boolean | undefined;
  /** Called with the runs of the rows. */
  readonly onRuns?: (runs: readonly RunRecord[]) => void;
}

/**
 * Runs rows in groups of `runRows`. If a run fails because of its rows, the rows are halved until each bad row is alone: it gets the error,
 * and the other rows get their outputs. Other errors (a thread that ended, a shutdown) are thrown.
 */
export async function runRows(
  port: RunPort,
  request: RunRequest,
  options: RowRunOptions,
): Promise<readonly RunPiece[]> {
  const { rows } = request;
  try {
    return [{ rows, outputs: await submit(port, request, options) }];
  } catch (thrown) {
    const error = toSconceError(thrown);
    // Not an error of the rows: a thread that ended, a shutdown.
    if (!isRunFailure(error.code) && error.code !== 'invalid_tensor') throw error;
    if (rows === 1) return [{ rows, error: error.toJSON() }];
    const half = halfOf(rows, options.runRows);
    const [first, second] = await Promise.all([
      runRows(port, partOf(request, { from: 0, to: half }, options.model), options),
      runRows(port, partOf(request, { from: half, to: rows }, options.model), options),
    ]);
    return [...first, ...second];
  }
}

async function submit(port: RunPort, request: RunRequest, options: RowRunOptions): Promise<readonly Tensor[]> {
  const { model, priority, signal, label } = options;
  const outputs = request.outputs.map((name) => {
    const spec = model.signature.outputs.find((output) => output.name === name);
    if (spec === undefined) throw new SconceError('internal', `The model has no output "${name}"`);
    return spec;
  });
  const asked: BatchRequest = {
    model,
    inputs: request.inputs,
    outputs,
    lane: 'batch',
    priority,
    signal,
    runRows: options.runRows,
    label,
    owner: options.owner,
    suspect: options.suspect,
  };
  let reply: BatchReply;
  try {
    reply = await port.submit(asked);
  } catch (error) {
    if (port.again === undefined) throw error;
    reply = await port.again(asked, error);
  }
  options.onRuns?.(reply.runs);
  return reply.outputs;
}

/** The row at which rows are cut in two: between two runs, if there are several. */
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
