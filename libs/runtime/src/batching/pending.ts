import type { SconceError } from '@sconce/errors';
import { concatRows, sliceRows, type Tensor } from '@sconce/tensor';
import { outputsOverBudget } from '../output-budget.ts';
import { DEFAULT_PRIORITY, type BatchReply, type BatchRequest, type RunRecord } from './batch-request.ts';

/** The rows of one request that go into one run. */
export interface Piece {
  readonly pending: Pending;
  /** The piece's first row in the request, and the number of its rows. */
  readonly start: number;
  readonly rows: number;
  readonly inputs: readonly Tensor[];
}

/**
 * A request between its arrival and its answer: *waiting* (some rows are not in a run) → *out* (all rows are in runs) → *settled*
 * (answered with its last piece, or failed with its first error). It settles once. The results of rows that are still in runs are then
 * dropped.
 */
export class Pending {
  readonly request: BatchRequest;
  readonly rows: number;
  readonly priority: number;
  readonly submittedAtMs: number;
  readonly sequence: number;
  /** Position among the requests of its line with the same priority, set by the line. */
  turn = 0;
  readonly runs: RunRecord[] = [];
  readonly reply: Promise<BatchReply>;
  readonly #resolve: (reply: BatchReply) => void;
  readonly #reject: (error: SconceError) => void;
  readonly #answers: { readonly start: number; readonly outputs: readonly Tensor[] }[] = [];
  #handedOut = 0;
  #answered = 0;
  /** Of the pieces that are done. Not counted for a request that is one piece: its run was checked. */
  #outputBytes = 0;
  #settled = false;

  constructor(request: BatchRequest, at: { readonly sequence: number; readonly submittedAtMs: number }) {
    const { model, inputs } = request;
    this.request = request;
    this.rows = inputs.find(({ name }) => model.rowInputs.has(name))?.shape[0] ?? inputs[0]?.shape[0] ?? 0;
    this.priority = request.priority ?? DEFAULT_PRIORITY;
    this.sequence = at.sequence;
    this.submittedAtMs = at.submittedAtMs;
    const { promise, resolve, reject } = Promise.withResolvers<BatchReply>();
    this.reply = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Rows that are not in a run. */
  get left(): number {
    return this.rows - this.#handedOut;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** The next rows, at most `most`. A request without rows, or of a model without a batch axis, is one piece. */
  take(most: number): Piece {
    const { model, inputs } = this.request;
    const start = this.#handedOut;
    const rows = model.axis === 'none' ? this.rows : Math.min(most, this.left);
    this.#handedOut += rows;
    const part = (input: Tensor): Tensor =>
      model.rowInputs.has(input.name) ? sliceRows(input, start, start + rows) : input;
    return { pending: this, start, rows, inputs: rows === this.rows ? inputs : inputs.map(part) };
  }

  /** Adds a piece's outputs. They are in the signature's order and include all that the request wants. */
  complete({ start, rows }: Piece, outputs: readonly Tensor[]): void {
    if (this.#settled) return;
    if (rows !== this.rows && this.request.runRows === undefined) {
      const error = this.#count(outputs);
      if (error !== undefined) {
        this.fail(error);
        return;
      }
    }
    this.#answers.push({ start, outputs });
    this.#answered += rows;
    if (this.#answered < this.rows) return;
    this.#settled = true;
    const parts = this.#answers.toSorted((a, b) => a.start - b.start);
    const merged = this.request.outputs.map(({ name }) => {
      const own = parts.map((part) => part.outputs.find((output) => output.name === name) as Tensor);
      // A request that was not cut may have outputs without rows, for instance a single number.
      return own.length === 1 ? (own[0] as Tensor) : concatRows(own);
    });
    this.#resolve({ outputs: merged, runs: this.runs });
  }

  /** Counts the outputs of a piece. Returns the error for more bytes than the request may have. */
  #count(outputs: readonly Tensor[]): SconceError | undefined {
    const { model, outputs: wanted } = this.request;
    for (const { name, data } of outputs) {
      if (wanted.some((output) => output.name === name)) this.#outputBytes += data.byteLength;
    }
    const { maxOutput } = model;
    if (maxOutput === undefined || this.#outputBytes <= maxOutput.limit) return undefined;
    return outputsOverBudget(maxOutput, this.#outputBytes, wanted);
  }

  fail(error: SconceError): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#reject(error);
  }
}
