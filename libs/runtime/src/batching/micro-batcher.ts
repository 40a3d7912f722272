import { rowsForMemory, type BudgetLimit, type Lane } from '@sconce/contracts';
import { SconceError, isRunFailure, toSconceError } from '@sconce/errors';
import { epochMs } from '@sconce/process/time';
import { sliceRows, type TensorSpec } from '@sconce/tensor';
import type { RunResult } from '../inference-pool.ts';
import { outputRowBytes, outputsOverBudget } from '../output-budget.ts';
import type { BatchReply, BatchRequest, BatchRunner, BatchableModel, FinishedRun } from './batch-request.ts';
import { WaitingLine, lineKey } from './waiting-line.ts';
import { checkRows, noRows } from './run-rows.ts';
import { ModelShares, type ModelShare } from './model-share.ts';
import { Pending, type Piece } from './pending.ts';

const MAX_LABELS = 32;
/** If a run would take longer than this, its rows are spread over idle threads. */
const SPREAD_FROM_MS = 1;
/** A run is handed to a busy thread if that thread is expected to be free in less than this. Timers are not more exact. */
const LEAD_MS = 2;
/** Estimates come from few runs: a request is refused early only if it would miss its deadline by this factor. */
const CERTAINTY = 0.5;
/** A run that is later than this is not expected to end at once, ms. */
const LATE_MS = 50;
/** A run is overdue if it takes longer than this, and by this factor longer than any run of its model before. */
const LEAST_OVERDUE_MS = 400;
const OVERDUE_FACTOR = 3;
/** Least time that a run counts for its model's share, ms. */
const LEAST_COST_MS = 0.05;

interface Run {
  readonly model: BatchableModel;
  readonly share: ModelShare;
  readonly pieces: readonly Piece[];
  /** Epoch ms at which it is expected to start and to end. */
  readonly startMs: number;
  readonly endMs: number;
  /** Its requests run elsewhere. The run does not count any more. */
  isAbandoned: boolean;
}

/**
 * Merges waiting rows of one model and input shape into runs. There is one batcher per process, between the requests and the threads.
 *
 * A request is *waiting* in a waiting line (one per lane, model and inner shape; by priority, then by arrival) → *out* in runs →
 * *settled*, once: answered with its last row, failed with its first error, or refused and not run if it is cancelled or cannot be
 * answered by its deadline.
 *
 * The batcher is *idle* (nothing waits, or no run may be handed over) → *scheduled* (a request has come; others of this turn of the event
 * loop are taken with it) → *dispatching* (hands runs over while it may) → *idle* or *holding* (every thread is busy for some time: runs
 * wait until shortly before a thread is free, rows that could share a run at most `maxQueueDelayMs`).
 * Nothing waits while a thread is idle. Rows of long runs are spread over idle threads.
 *
 * The next run comes from the online lane before the batch lane. Within a lane, priority decides first, then the model that has had the
 * least thread time: one model's backlog does not delay another model's requests. Within a model, owners of the callers' keys take turns.
 *
 * A run of several requests that fails is repeated for each request alone, so that one bad row fails only its own request.
 *
 * A run that takes three times longer than any run of its model before is *overdue*. When others wait, it is *abandoned*: its requests fail
 * with `thread_crashed`, so that they run again alone, and the runner gives its place to the others.
 */
export class MicroBatcher {
  readonly #runner: BatchRunner;
  readonly #maxWaiting: number;
  readonly #onRun: (run: FinishedRun) => void;
  readonly #lines: Record<Lane, Map<string, WaitingLine>> = { online: new Map(), batch: new Map() };
  readonly #shares = new ModelShares();
  readonly #runs = new Set<Run>();
  #waiting = 0;
  #sequence = 0;
  #scheduled = false;
  #holding: NodeJS.Timeout | undefined;

  constructor(runner: BatchRunner, options: { maxWaiting: number; onRun?: (run: FinishedRun) => void }) {
    this.#runner = runner;
    this.#maxWaiting = options.maxWaiting;
    this.#onRun = options.onRun ?? (() => undefined);
  }

  /** Requests that wait for a thread. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Expected time until the threads have done all waiting and running work, ms. */
  get backlogMs(): number {
    const now = epochMs();
    let workMs = 0;
    for (const run of this.#runs) workMs += Math.max(0, expectedEnd(run, now) - Math.max(now, run.startMs));
    for (const lines of Object.values(this.#lines)) {
      for (const line of lines.values()) workMs += this.#workMs(line);
    }
    return workMs / this.#runner.threads;
  }

  #workMs(line: WaitingLine): number {
    const model = line.head?.request.model;
    if (model === undefined) return 0;
    const { estimate } = this.#shares.of(model);
    const { maxBatchRows } = model;
    if (model.axis === 'none') return line.length * estimate.of(Math.ceil(line.rows / line.length));
    const rest = line.rows % maxBatchRows;
    const full = Math.floor(line.rows / maxBatchRows) * estimate.of(maxBatchRows);
    return full + (rest === 0 ? 0 : estimate.of(model.axis === 'locked' ? maxBatchRows : rest));
  }

  /** A run of the model ended elsewhere: a run that takes as long is not overdue. */
  learn({ model, outcome }: FinishedRun): void {
    if (!('timing' in outcome)) return;
    const { runStartMs, runEndMs } = outcome.timing;
    this.#shares.of(model).learn(runEndMs - runStartMs);
  }

  /** Runs handed to threads and not answered yet. */
  get running(): number {
    return this.#runs.size;
  }

  /**
   * Queues a request. Rejects with `queue_full`, `deadline_exceeded`, `job_cancelled`, `invalid_tensor` (no rows for a `locked`
   * model), `over_budget`, or what the run failed with.
   */
  submit(request: BatchRequest): Promise<BatchReply> {
    const { model, lane } = request;
    const pending = new Pending(request, { sequence: this.#sequence++, submittedAtMs: epochMs() });
    if (model.axis === 'locked' && pending.rows === 0) {
      pending.fail(noRows(model));
    } else if (isOverBudget(request, pending.rows)) {
      const { outputs } = request;
      const bytes = outputRowBytes(outputs) * pending.rows;
      pending.fail(outputsOverBudget(model.maxOutput as BudgetLimit, bytes, outputs));
    } else if (this.#waiting >= this.#maxWaiting) {
      pending.fail(
        new SconceError('queue_full', `This worker already has ${this.#waiting} requests waiting; try again later.`),
      );
    } else {
      const key = lineKey(request);
      let line = this.#lines[lane].get(key);
      if (line === undefined) {
        try {
          // Requests of one line have the same inner shapes, so they need the same memory per row.
          line = new WaitingLine(
            key,
            model.memory && rowsForMemory(model.memory, { axis: model.axis, inputs: request.inputs }),
          );
        } catch (error) {
          pending.fail(toSconceError(error));
          return pending.reply;
        }
        this.#lines[lane].set(key, line);
        const share = this.#shares.of(model);
        if (share.lines === 0 && share.running === 0) this.#shares.activate(share);
        share.lines += 1;
      }
      line.add(pending);
      this.#waiting += 1;
      this.#schedule();
    }
    return pending.reply;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    clearTimeout(this.#holding);
    this.#holding = undefined;
    while (this.#runs.size < this.#runner.capacity) {
      const next = this.#next();
      if (next === undefined) return;
      const holdMs = this.#holdMs(next.line);
      if (holdMs > 0) {
        this.#holding = setTimeout(() => {
          this.#dispatch();
        }, holdMs);
        return;
      }
      this.#handOver(next.line, next.lane);
    }
  }

  /** The waiting line whose rows run next. */
  #next(): { readonly line: WaitingLine; readonly lane: Lane } | undefined {
    for (const lane of ['online', 'batch'] as const) {
      let best: { readonly line: WaitingLine; readonly head: Pending; readonly share: ModelShare } | undefined;
      for (const line of this.#lines[lane].values()) {
        const head = line.head;
        if (head === undefined) continue;
        const { model } = head.request;
        const share = this.#shares.of(model);
        if (share.running >= (model.maxConcurrentRuns ?? Infinity)) continue;
        if (best === undefined || isBefore({ head, share }, best)) best = { line, head, share };
      }
      if (best !== undefined) return { line: best.line, lane };
    }
    return undefined;
  }

  /** How long the line's rows should wait for a thread, ms: until shortly before the first busy thread is free. */
  #holdMs(line: WaitingLine): number {
    const { threads } = this.#runner;
    const head = line.head;
    if (this.#runs.size < threads || head === undefined) return 0;
    const { model } = head.request;
    const now = epochMs();
    const ends = [...this.#runs].map((run) => expectedEnd(run, now)).sort((a, b) => a - b);
    // Runs beyond the number of threads wait for the first ones to end.
    const freeMs = ends[this.#runs.size - threads] ?? 0;
    const gathers = model.axis !== 'none' && line.rows < model.maxBatchRows && head.request.runRows === undefined;
    // A run that waits inside a thread would start before a request that comes meanwhile and should go first.
    const latestMs = gathers ? head.submittedAtMs + (model.maxQueueDelayMs ?? Infinity) : Infinity;
    return Math.min(freeMs - LEAD_MS, latestMs) - now;
  }

  #handOver(line: WaitingLine, lane: Lane): void {
    const model = line.head?.request.model;
    if (model === undefined) return;
    const share = this.#shares.of(model);
    const before = line.length;
    const pieces = line.take(this.#rowsOfRun(line, model, share), (pending) => this.#dropIfUnwanted(pending, share));
    this.#waiting -= before - line.length;
    if (line.length === 0) {
      this.#lines[lane].delete(line.key);
      share.lines -= 1;
    }
    if (pieces.length === 0) return;
    const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0);
    const expectedMs = share.estimate.of(model.axis === 'locked' ? model.maxBatchRows : rows);
    this.#shares.charge(share, Math.max(LEAST_COST_MS, expectedMs));
    const freeMs = this.#runs.size < this.#runner.threads ? 0 : Math.min(...[...this.#runs].map((run) => run.endMs));
    const startMs = Math.max(freeMs, epochMs());
    void this.#perform({ model, share, pieces, startMs, endMs: startMs + expectedMs, isAbandoned: false });
  }

  /** The largest number of rows for the line's next run. */
  #rowsOfRun(line: WaitingLine, model: BatchableModel, share: ModelShare): number {
    const most = Math.min(model.maxBatchRows, line.maxRows);
    const own = line.head?.request.runRows;
    if (own !== undefined) return Math.min(own, line.maxRows);
    const idle = Math.min(this.#runner.threads, model.maxConcurrentRuns ?? Infinity) - this.#runs.size;
    if (model.axis !== 'dynamic' || idle < 2 || line.rows < 2) return most;
    const rows = Math.min(most, line.rows);
    return share.estimate.of(rows) < SPREAD_FROM_MS ? most : Math.min(most, Math.ceil(line.rows / idle));
  }

  async #perform(run: Run): Promise<void> {
    const { share, pieces } = run;
    this.#runs.add(run);
    share.running += 1;
    try {
      await this.#runPieces(run, pieces);
    } catch (thrown) {
      if (run.isAbandoned) return;
      const error = toSconceError(thrown, 'internal');
      if (pieces.length > 1 && isRunFailure(error.code)) {
        for (const piece of pieces) {
          await this.#runPieces(run, [piece]).catch((own: unknown) => piece.pending.fail(toSconceError(own)));
        }
      } else {
        for (const { pending } of pieces) pending.fail(error);
      }
    } finally {
      if (!run.isAbandoned) this.#leave(run);
    }
  }

  #leave(run: Run): void {
    this.#runs.delete(run);
    run.share.running -= 1;
    this.#dispatch();
  }

  /** An overdue run holds a thread. Returns whether it is abandoned: others wait, or its model is unbounded, so it may never end. */
  #abandon(run: Run): boolean {
    const { model, pieces } = run;
    const othersWait = this.#waiting > 0 || this.#runs.size > this.#runner.threads;
    if (!othersWait && model.unbounded !== true) return false;
    run.isAbandoned = true;
    const text = `A run of model ${model.name}/${model.version} takes much longer than any before; it runs again alone.`;
    for (const { pending } of pieces) pending.fail(new SconceError('thread_crashed', text));
    // The runner knows by then that its thread is no thread to count on.
    queueMicrotask(() => this.#leave(run));
    return true;
  }

  async #runPieces(run: Run, pieces: readonly Piece[]): Promise<void> {
    const { model, share, startMs, endMs } = run;
    const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0);
    const runRows = model.axis === 'locked' ? model.maxBatchRows : rows;
    const labels = pieces.flatMap(({ pending }) => pending.request.label ?? []).slice(0, MAX_LABELS);
    const about = { model, rows, requests: pieces.length, labels };
    let result: RunResult;
    try {
      result = await this.#runner.run({
        file: model.file,
        parts: pieces.map((piece) => piece.inputs),
        outputs: outputsOf(model, pieces),
        rows: model.axis === 'none' ? undefined : { inputs: model.rowInputs, count: runRows },
        expectedMs: endMs - startMs,
        maxOutput: model.maxOutput,
        overdueMs: share.longestMs === 0 ? undefined : Math.max(LEAST_OVERDUE_MS, OVERDUE_FACTOR * share.longestMs),
        onOverdue: () => this.#abandon(run),
      });
    } catch (error) {
      this.#onRun({ ...about, outcome: { error: toSconceError(error).code } });
      throw error;
    }
    const { outputs, timing } = result;
    share.record(runRows, timing.runEndMs - timing.runStartMs);
    this.#onRun({ ...about, outcome: { timing } });
    if (model.axis !== 'none') checkRows(outputs, runRows);
    const shared = {
      ...timing,
      answeredAtMs: epochMs(),
      batchRows: rows,
      batchRequests: pieces.length,
      labels,
    };
    let start = 0;
    for (const piece of pieces) {
      const end = start + piece.rows;
      const isWhole = piece.rows === runRows || model.axis === 'none';
      const own = isWhole ? outputs : outputs.map((output) => sliceRows(output, start, end));
      start = end;
      piece.pending.runs.push({ ...shared, submittedAtMs: piece.pending.submittedAtMs });
      piece.pending.complete(piece, own);
    }
  }

  #dropIfUnwanted(pending: Pending, share: ModelShare): boolean {
    if (pending.settled) return true;
    const { signal, deadlineMs } = pending.request;
    if (signal?.aborted === true) {
      pending.fail(new SconceError('job_cancelled', 'The request was cancelled before it ran.'));
    } else if (deadlineMs !== undefined) {
      const now = Date.now();
      const rows = Math.min(pending.rows, pending.request.model.maxBatchRows);
      const needsMs = share.estimate.of(rows) * CERTAINTY;
      if (now > deadlineMs) {
        const message = 'The request waited past its timeout and was dropped before it ran.';
        pending.fail(new SconceError('deadline_exceeded', message));
      } else if (now + needsMs > deadlineMs) {
        share.estimate.lower(rows);
        const message = `The request was not run: it takes about ${Math.ceil(needsMs / CERTAINTY)} ms, and its timeout ends in ${deadlineMs - now} ms.`;
        pending.fail(new SconceError('deadline_exceeded', message));
      }
    }
    return pending.settled;
  }
}

/** When a run will end: as expected, or, if it is late by far, after as long again. */
function expectedEnd({ startMs, endMs }: Run, nowMs: number): number {
  return nowMs - endMs < LATE_MS ? endMs : nowMs + (nowMs - startMs);
}

interface Candidate {
  readonly head: Pending;
  readonly share: ModelShare;
}

function isBefore(a: Candidate, b: Candidate): boolean {
  if (a.head.priority !== b.head.priority) return a.head.priority < b.head.priority;
  if (a.share.virtualMs !== b.share.virtualMs) return a.share.virtualMs < b.share.virtualMs;
  return a.head.sequence < b.head.sequence;
}

/** Whether it is known before the run that the outputs of a request are too large. Rows of a dataset are checked run by run. */
function isOverBudget({ model, outputs, runRows }: BatchRequest, rows: number): boolean {
  const { maxOutput, outputRowBytes: rowBytes = 0, axis } = model;
  if (maxOutput === undefined || axis === 'none' || rowBytes * rows <= maxOutput.limit || runRows !== undefined)
    return false;
  return outputRowBytes(outputs) * rows > maxOutput.limit;
}

/** Every output that a request of the run wants, in the signature's order. */
function outputsOf(model: BatchableModel, pieces: readonly Piece[]): readonly TensorSpec[] {
  const names = new Set(pieces.flatMap(({ pending }) => pending.request.outputs.map((output) => output.name)));
  return model.signature.outputs.filter((output) => names.has(output.name));
}
