import { SconceError, toSconceError } from '@sconce/errors';
import { epochMs } from '@sconce/process/time';
import { sliceRows } from '@sconce/tensor';
import type { BatchReply, BatchRequest, FinishedRun } from '../batching/batch-request.ts';
import { checkRows, noRows } from '../batching/run-rows.ts';
import { Pending, type Piece } from '../batching/pending.ts';
import type { RunCall, RunResult } from '../inference-pool.ts';

export interface SuspectQueueOptions {
  readonly runner: { run(call: RunCall): Promise<RunResult> };
  readonly maxWaiting: number;
  readonly onRun?: (run: FinishedRun) => void;
}

/**
 * Requests that run alone, one run after the other. Owners take turns, run by run: one owner's runs that take all the time they may have
 * delay another owner's request by one such run.
 *
 * A request is *waiting* → *running* (some of its rows) → *waiting* for its next rows, or *settled*: answered with its last row, failed with
 * its first error, or refused without a run because it was cancelled or its deadline has passed.
 */
export class SuspectQueue {
  readonly #options: SuspectQueueOptions;
  /** Owner → its requests. The first owner has the next turn. */
  readonly #owners = new Map<string, Pending[]>();
  #waiting = 0;
  #sequence = 0;
  #running = false;

  constructor(options: SuspectQueueOptions) {
    this.#options = options;
  }

  /** Requests without an answer. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Rejects with `queue_full`, `job_cancelled`, `deadline_exceeded`, or the error of the run. */
  submit(request: BatchRequest): Promise<BatchReply> {
    const pending = new Pending(request, { sequence: this.#sequence++, submittedAtMs: epochMs() });
    if (request.model.axis === 'locked' && pending.rows === 0) {
      pending.fail(noRows(request.model));
      return pending.reply;
    }
    if (this.#waiting >= this.#options.maxWaiting) {
      const text = `This worker already has ${this.#waiting} requests that must run alone; try again later.`;
      pending.fail(new SconceError('queue_full', text));
      return pending.reply;
    }
    this.#waiting += 1;
    const owner = request.owner ?? '';
    const own = this.#owners.get(owner);
    if (own === undefined) this.#owners.set(owner, [pending]);
    else own.push(pending);
    void this.#work();
    return pending.reply;
  }

  async #work(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) await this.#runSome(next);
    this.#running = false;
  }

  /** The request whose turn it is. */
  #next(): Pending | undefined {
    const [requests] = this.#owners.values();
    return requests?.[0];
  }

  /** Makes the request's next run, and removes it from its owner's requests when it is settled. */
  async #runSome(pending: Pending): Promise<void> {
    const { owner = '', signal, deadlineMs, model } = pending.request;
    if (signal?.aborted === true) {
      pending.fail(new SconceError('job_cancelled', 'The request was cancelled before it ran.'));
    } else if (deadlineMs !== undefined && Date.now() > deadlineMs) {
      const text = 'The request waited past its timeout and was dropped before it ran.';
      pending.fail(new SconceError('deadline_exceeded', text));
    } else {
      const piece = pending.take(pending.request.runRows ?? model.maxBatchRows);
      await this.#runPiece(piece).catch((error: unknown) => pending.fail(toSconceError(error)));
    }
    const requests = this.#owners.get(owner) ?? [];
    if (pending.settled) {
      this.#waiting -= 1;
      requests.shift();
    }
    // The owner's next turn is after those of all others, also of those that came during the run.
    this.#owners.delete(owner);
    if (requests.length > 0) this.#owners.set(owner, requests);
  }

  async #runPiece(piece: Piece): Promise<void> {
    const { pending, rows, inputs } = piece;
    const { model, outputs, label } = pending.request;
    const runRows = model.axis === 'locked' ? model.maxBatchRows : rows;
    const labels = label === undefined ? [] : [label];
    const about = { model, rows, requests: 1, labels };
    let result: RunResult;
    try {
      result = await this.#options.runner.run({
        file: model.file,
        parts: [inputs],
        outputs,
        rows: model.axis === 'none' ? undefined : { inputs: model.rowInputs, count: runRows },
        maxOutput: model.maxOutput,
      });
    } catch (error) {
      this.#options.onRun?.({ ...about, outcome: { error: toSconceError(error).code } });
      throw error;
    }
    const { timing } = result;
    this.#options.onRun?.({ ...about, outcome: { timing } });
    if (model.axis !== 'none') checkRows(result.outputs, runRows);
    const outputsOfRows =
      rows === runRows ? result.outputs : result.outputs.map((output) => sliceRows(output, 0, rows));
    const { submittedAtMs } = pending;
    const record = { ...timing, submittedAtMs, answeredAtMs: epochMs(), batchRows: rows, batchRequests: 1, labels };
    pending.runs.push(record);
    pending.complete(piece, outputsOfRows);
  }
}
