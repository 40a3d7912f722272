import { createHash } from 'node:crypto';
import { SconceError, toSconceError, type ErrorCode } from '@sconce/errors';
import { concatRows, sliceRows, type Tensor, type TensorSpec } from '@sconce/tensor';
import type { RunCall, RunResult } from './inference-pool.ts';
import type { ModelFile, Signature, ThreadTiming } from './thread-protocol.ts';

/** A model as the batcher sees it. */
export interface BatchableModel {
  readonly name: string;
  readonly version: string;
  readonly file: ModelFile;
  readonly signature: Signature;
  /** `dynamic`: rows may share a run with any others; `locked`: so many of them only; `none`: each request runs alone, uncut. */
  readonly axis: 'dynamic' | 'locked' | 'none';
  /** Inputs whose axis 0 is the rows; runs are shared only by requests that have the same in all others. None for `none`. */
  readonly rowInputs: ReadonlySet<string>;
  /** Most rows in one run; the very number of a `locked` model, whose runs are filled up by repeating the last row. */
  readonly maxBatchRows: number;
  /** Runs of the model at once; as many as there are threads unless said. */
  readonly maxConcurrentRuns?: number;
}

/** `online` runs before `batch` whenever both wait. */
export type Lane = 'online' | 'batch';

export interface BatchRequest {
  readonly model: BatchableModel;
  /** In the signature's order; axis 0 is the rows where the model is `dynamic`. */
  readonly inputs: readonly Tensor[];
  /** Outputs wanted. */
  readonly outputs: readonly TensorSpec[];
  readonly lane: Lane;
  /** Epoch ms after which the answer is of no use: the request is dropped unrun. */
  readonly deadlineMs?: number;
  /** Aborted when nobody wants the answer any more: the request is dropped unrun. */
  readonly signal?: AbortSignal;
  /** Given to the requests that share a run with this one, e.g. its traceparent. */
  readonly label?: string;
}

export interface BatchReply {
  readonly outputs: readonly Tensor[];
  /** Runs this request took part in; more than one where it was cut. */
  readonly runs: readonly RunRecord[];
}

/** One run as its request's trace tells it. */
export interface RunRecord extends ThreadTiming {
  /** Epoch ms when the batcher took the rows / had the answer. */
  readonly submittedAtMs: number;
  readonly answeredAtMs: number;
  /** Rows and requests that shared the run. */
  readonly batchRows: number;
  readonly batchRequests: number;
  /** Labels of the requests in the run, this one's included; at most 32. */
  readonly labels: readonly string[];
}

/** A run that has ended, for metrics and statistics. */
export interface FinishedRun {
  readonly model: BatchableModel;
  readonly rows: number;
  readonly requests: number;
  /** How it ended: with its timing, or with an error's code. */
  readonly outcome: { readonly timing: ThreadTiming } | { readonly error: ErrorCode };
}

const MAX_LABELS = 32;

/** What the batcher needs of the threads. */
export interface BatchRunner {
  readonly capacity: number;
  run(call: RunCall): Promise<RunResult>;
}

interface Pending {
  readonly request: BatchRequest;
  readonly resolve: (reply: BatchReply) => void;
  readonly reject: (error: SconceError) => void;
  readonly submittedAtMs: number;
  readonly pieces: (readonly Tensor[] | undefined)[];
  readonly runs: RunRecord[];
  open: number;
  settled: boolean;
}

/** A row range of one request: what is queued and merged. */
interface Segment {
  readonly pending: Pending;
  readonly index: number;
  readonly rows: number;
  readonly inputs: readonly Tensor[];
  readonly sequence: number;
}

const epochMs = (): number => performance.timeOrigin + performance.now();

/**
 * Merges waiting rows of one model and input shape into runs.
 *
 * A request is cut into segments of at most `maxBatchRows`; a run of a `locked` model is filled up, and what the filling gave dropped. Segments wait in one FIFO per lane, model and inner shape;
 * whenever the threads have room, the FIFO with the oldest head (online before batch) gives one run as many segments as
 * fit. Nothing ever waits while a thread is idle. A request settles exactly once: answered when its last segment is,
 * failed with its first failing segment, dropped unrun when cancelled or past its deadline.
 *
 * A run that fails with several requests in it is repeated for each alone, so that one bad row fails only its own.
 */
export class MicroBatcher {
  readonly #runner: BatchRunner;
  readonly #maxWaiting: number;
  readonly #fifos: Record<Lane, Map<string, Segment[]>> = { online: new Map(), batch: new Map() };
  readonly #onRun: (run: FinishedRun) => void;
  /** Runs under way, by file. */
  readonly #runsOf = new Map<string, number>();
  #waiting = 0;
  #running = 0;
  #sequence = 0;

  constructor(runner: BatchRunner, options: { maxWaiting: number; onRun?: (run: FinishedRun) => void }) {
    this.#runner = runner;
    this.#maxWaiting = options.maxWaiting;
    this.#onRun = options.onRun ?? (() => undefined);
  }

  /** Segments that wait for a thread. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs handed to threads and not answered yet. */
  get running(): number {
    return this.#running;
  }

  /** Queues a request. Rejects with `queue_full`, `deadline_exceeded`, `job_cancelled`,
   * `invalid_tensor` (no rows for a `locked` model), or what the run failed with. */
  submit(request: BatchRequest): Promise<BatchReply> {
    const segments = cut(request);
    if (request.model.axis === 'locked' && segments[0]?.rows === 0) {
      return Promise.reject(
        new SconceError(
          'invalid_tensor',
          `The request has no rows, and this model runs ${request.model.maxBatchRows} at a time: send one at least.`,
        ),
      );
    }
    if (this.#waiting + segments.length > this.#maxWaiting) {
      return Promise.reject(
        new SconceError('queue_full', `This worker already has ${this.#waiting} row ranges waiting; try again later.`),
      );
    }
    return new Promise((resolve, reject) => {
      const pending: Pending = {
        request,
        resolve,
        reject,
        submittedAtMs: epochMs(),
        pieces: segments.map(() => undefined),
        runs: [],
        open: segments.length,
        settled: false,
      };
      const key = fifoKey(request);
      const fifos = this.#fifos[request.lane];
      const fifo = fifos.get(key) ?? [];
      segments.forEach(({ rows, inputs }, index) => {
        fifo.push({ pending, index, rows, inputs, sequence: this.#sequence++ });
      });
      fifos.set(key, fifo);
      this.#waiting += segments.length;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#running < this.#runner.capacity) {
      const batch = this.#takeBatch(this.#fifos.online) ?? this.#takeBatch(this.#fifos.batch);
      if (batch === undefined) return;
      if (batch.length > 0) void this.#runBatch(batch);
    }
  }

  /** The next run's segments; empty where the head was stale; undefined where nothing waits. */
  #takeBatch(fifos: Map<string, Segment[]>): Segment[] | undefined {
    let oldest: readonly [string, Segment[]] | undefined;
    for (const entry of fifos) {
      const model = entry[1][0]?.pending.request.model;
      if ((this.#runsOf.get(model?.file.id ?? '') ?? 0) >= (model?.maxConcurrentRuns ?? Infinity)) continue;
      if (oldest === undefined || (entry[1][0]?.sequence ?? 0) < (oldest[1][0]?.sequence ?? 0)) oldest = entry;
    }
    if (oldest === undefined) return undefined;
    const [key, fifo] = oldest;
    const batch: Segment[] = [];
    let rows = 0;
    let taken = 0;
    for (const segment of fifo) {
      const { model } = segment.pending.request;
      if (batch.length > 0 && (model.axis === 'none' || rows + segment.rows > model.maxBatchRows)) break;
      taken += 1;
      if (dropIfUnwanted(segment.pending)) continue;
      batch.push(segment);
      rows += segment.rows;
    }
    fifo.splice(0, taken);
    if (fifo.length === 0) fifos.delete(key);
    this.#waiting -= taken;
    return batch;
  }

  async #runBatch(batch: readonly Segment[]): Promise<void> {
    this.#running += 1;
    const id = batch[0]?.pending.request.model.file.id ?? '';
    this.#runsOf.set(id, (this.#runsOf.get(id) ?? 0) + 1);
    try {
      await this.#runSegments(batch);
    } catch (thrown) {
      const error = toSconceError(thrown, 'internal');
      const requests = new Set(batch.map((segment) => segment.pending));
      if (requests.size > 1 && error.code === 'inference_failed') {
        for (const segment of batch) {
          await this.#runSegments([segment]).catch((own: unknown) => fail(segment.pending, toSconceError(own)));
        }
      } else {
        for (const pending of requests) fail(pending, error);
      }
    } finally {
      this.#running -= 1;
      const left = (this.#runsOf.get(id) ?? 1) - 1;
      if (left === 0) this.#runsOf.delete(id);
      else this.#runsOf.set(id, left);
      this.#dispatch();
    }
  }

  async #runSegments(batch: readonly Segment[]): Promise<void> {
    const head = batch[0];
    if (head === undefined) return;
    const { model } = head.pending.request;
    const rows = batch.reduce((sum, segment) => sum + segment.rows, 0);
    const runRows = model.axis === 'locked' ? model.maxBatchRows : rows;
    const requests = new Set(batch.map((segment) => segment.pending)).size;
    let result: RunResult;
    try {
      result = await this.#runner.run({
        file: model.file,
        parts: batch.map((segment) => segment.inputs),
        outputs: outputsOf(batch),
        ...(model.axis === 'none' ? {} : { rows: { inputs: model.rowInputs, count: runRows } }),
      });
    } catch (error) {
      this.#onRun({ model, rows, requests, outcome: { error: toSconceError(error).code } });
      throw error;
    }
    const { outputs, timing } = result;
    this.#onRun({ model, rows, requests, outcome: { timing } });
    const shared = {
      ...timing,
      answeredAtMs: epochMs(),
      batchRows: rows,
      batchRequests: requests,
      labels: batch.flatMap((segment) => segment.pending.request.label ?? []).slice(0, MAX_LABELS),
    };
    if (model.axis !== 'none') checkRows(outputs, runRows);
    let start = 0;
    for (const segment of batch) {
      const end = start + segment.rows;
      const own =
        end - start === runRows || model.axis === 'none'
          ? outputs
          : outputs.map((output) => sliceRows(output, start, end));
      start = end;
      segment.pending.runs.push({ ...shared, submittedAtMs: segment.pending.submittedAtMs });
      complete(segment, own);
    }
  }
}

function cut(request: BatchRequest): { rows: number; inputs: readonly Tensor[] }[] {
  const { model, inputs } = request;
  const rows = inputs.find(({ name }) => model.rowInputs.has(name))?.shape[0] ?? inputs[0]?.shape[0] ?? 0;
  if (model.axis === 'none' || rows <= model.maxBatchRows) return [{ rows, inputs }];
  const segments = [];
  for (let start = 0; start < rows; start += model.maxBatchRows) {
    const end = Math.min(rows, start + model.maxBatchRows);
    const part = (input: Tensor): Tensor => (model.rowInputs.has(input.name) ? sliceRows(input, start, end) : input);
    segments.push({ rows: end - start, inputs: inputs.map(part) });
  }
  return segments;
}

/** Requests with one key may share a run. */
function fifoKey({ model, inputs }: BatchRequest): string {
  const parts = inputs.map((input) =>
    model.axis === 'none' || model.rowInputs.has(input.name)
      ? input.shape.slice(model.axis === 'none' ? 0 : 1).join('x')
      : `${input.shape.join('x')}=${contentKey(input.data)}`,
  );
  return `${model.file.id} ${parts.join(' ')}`;
}

/** Equal for equal bytes only. */
function contentKey(data: Uint8Array): string {
  if (data.byteLength <= 64) return Buffer.from(data).toString('base64');
  return createHash('sha256').update(data).digest('base64');
}

/** Every output that some request of the batch wants, in the signature's order. */
function outputsOf(batch: readonly Segment[]): readonly TensorSpec[] {
  const names = new Set(batch.flatMap((segment) => segment.pending.request.outputs.map((output) => output.name)));
  return batch[0]?.pending.request.model.signature.outputs.filter((output) => names.has(output.name)) ?? [];
}

function checkRows(outputs: readonly Tensor[], rows: number): void {
  for (const output of outputs) {
    if (output.shape[0] !== rows) {
      throw new SconceError(
        'inference_failed',
        `Output "${output.name}" has shape [${output.shape.join(',')}] for ${rows} rows: the model does not keep its rows apart, though its batch axis was proved.`,
        { details: { param: output.name } },
      );
    }
  }
}

function complete(segment: Segment, outputs: readonly Tensor[]): void {
  const { pending } = segment;
  pending.pieces[segment.index] = outputs;
  pending.open -= 1;
  if (pending.open > 0 || pending.settled) return;
  const pieces = pending.pieces as (readonly Tensor[])[];
  const merged = pending.request.outputs.map(({ name }) => {
    const parts = pieces.map((piece) => piece.find((output) => output.name === name) as Tensor);
    // What was not cut has no rows to be joined by: it may be a single number.
    return parts.length === 1 ? (parts[0] as Tensor) : concatRows(parts);
  });
  pending.settled = true;
  pending.resolve({ outputs: merged, runs: pending.runs });
}

function fail(pending: Pending, error: SconceError): void {
  if (pending.settled) return;
  pending.settled = true;
  pending.reject(error);
}

function dropIfUnwanted(pending: Pending): boolean {
  if (pending.settled) return true;
  const { signal, deadlineMs } = pending.request;
  if (signal?.aborted === true) {
    fail(pending, new SconceError('job_cancelled', 'The request was cancelled before it ran.'));
    return true;
  }
  if (deadlineMs !== undefined && Date.now() > deadlineMs) {
    fail(
      pending,
      new SconceError('deadline_exceeded', 'The request waited past its timeout and was dropped before it ran.'),
    );
    return true;
  }
  return false;
}
