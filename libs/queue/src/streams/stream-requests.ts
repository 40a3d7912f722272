import { SconceError, deserializeError, toSconceError, type ErrorCode } from '@sconce/errors';
import { AnswerRate } from '../producers/answer-rate.ts';
import type { InferenceAnswer, InferenceRequest } from '../producers/inference-request.ts';
import { queueFull } from '../producers/lane-queues.ts';
import type { Keys } from '../redis/keys.ts';
import type { NumberedReply, ReplyOutcome } from './reply-entry.ts';
import { encodeRequestEntry } from './request-entry.ts';
import { WaitingLine } from './waiting-line.ts';
import { RespError, type RespReply } from './resp-parser.ts';
import type { RespClient, RespPieces } from './resp-client.ts';

/** How often deadlines are looked at, ms. */
const DEADLINE_CHECK_MS = 50;
const MAX_RETRY_AFTER_SECONDS = 60;
/** Ends that say nothing about the pace of the workers. */
const GIVEN_UP: ReadonlySet<ErrorCode> = new Set([
  'job_cancelled',
  'deadline_exceeded',
  'redis_unavailable',
  'shutting_down',
]);

/** A request whose caller waits. */
export interface Outstanding {
  readonly number: number;
  readonly request: InferenceRequest;
  readonly line: WaitingLine;
  readonly rate: AnswerRate;
  readonly acceptedAtMs: number;
  readonly deadlineMs: number;
  /** Of all inputs. */
  readonly bytes: number;
  readonly onSettled: (outcome: ReplyOutcome) => void;
  entry: Entry | undefined;
}

/** An entry of the stream with requests that have no answer yet. */
interface Entry {
  readonly pool: string;
  readonly line: WaitingLine;
  readonly frame: RespPieces;
  open: number;
}

export interface StreamRequestsOptions {
  readonly redis: RespClient;
  readonly keys: Keys;
  /** Stream the answers come back on. */
  readonly replyStream: string;
  readonly maxOutstanding: number;
  readonly maxOutstandingBytes: number;
  /** Threads of all workers of a pool, as far as known; at least 1. */
  readonly threadsOf: (pool: string) => number;
  /** Throws `queue_full` while the pool has as much waiting as it may. */
  readonly admit: (pool: string) => void;
  readonly onLateReply: () => void;
  /** Told about requests in flight whose answers nobody waits for any more. */
  readonly onGivenUp: (numbers: readonly number[]) => void;
}

/**
 * Requests whose callers wait, and the entries of the pools' streams that hold them.
 *
 * A request is *waiting* (in its line), *in flight* (in an entry) or *settled* (answered, past its deadline, given up by its caller,
 * refused). It settles once; an answer that comes later is a late reply.
 */
export class StreamRequests {
  readonly #options: StreamRequestsOptions;
  readonly #lines = new Map<string, WaitingLine>();
  readonly #rates = new Map<string, AnswerRate>();
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #entries = new Set<Entry>();
  #numbers = 0;
  #entryNumbers = 0;
  #bytes = 0;
  #givenUp: number[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: StreamRequestsOptions) {
    this.#options = options;
  }

  /** Requests without an answer. */
  get size(): number {
    return this.#outstanding.size;
  }

  /** Runs a request. @throws SconceError what the worker reported, `queue_full`, `deadline_exceeded`, `redis_unavailable`, `job_cancelled`. */
  async infer(
    request: InferenceRequest,
    options: { readonly deadlineMs: number; readonly signal?: AbortSignal },
  ): Promise<InferenceAnswer> {
    const { signal, deadlineMs } = options;
    const { promise, resolve } = Promise.withResolvers<ReplyOutcome>();
    const outstanding = this.begin(request, deadlineMs, resolve);
    const onAbort = (): void => this.giveUp(outstanding);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    try {
      const outcome = await promise;
      if (!outcome.ok) throw deserializeError(outcome.error);
      return outcome;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /**
   * Takes a request; `onSettled` is called once, later.
   *
   * @throws SconceError `queue_full`.
   */
  begin(request: InferenceRequest, deadlineMs: number, onSettled: (outcome: ReplyOutcome) => void): Outstanding {
    const { model, version, pool, priority, owner } = request;
    const bytes = request.inputs.reduce((sum, input) => sum + input.data.byteLength, 0);
    const rate = this.#rateOf(`${pool}/${model}/${version}`);
    const acceptedAtMs = Date.now();
    this.#admit(pool, { bytes, rate, lateByMs: acceptedAtMs - deadlineMs });
    const line = this.#lineOf(`${pool}/${model}/${version}/${priority ?? ''}/${owner ?? ''}`, pool);
    const number = ++this.#numbers;
    const outstanding: Outstanding = {
      number,
      request,
      line,
      rate,
      acceptedAtMs,
      deadlineMs,
      bytes,
      onSettled,
      entry: undefined,
    };
    this.#outstanding.set(number, outstanding);
    this.#bytes += bytes;
    rate.begin(acceptedAtMs);
    this.#timer ??= setInterval(() => this.#checkDeadlines(), DEADLINE_CHECK_MS);
    line.add(outstanding);
    this.#schedule(line);
    return outstanding;
  }

  /** The caller does not wait any more. */
  giveUp(outstanding: Outstanding): void {
    this.#abandon(outstanding, new SconceError('job_cancelled', 'The caller closed the connection.'));
  }

  /** An answer has come. */
  onReply({ number, outcome }: NumberedReply): void {
    const outstanding = this.#outstanding.get(number);
    if (outstanding === undefined) {
      this.#options.onLateReply();
      return;
    }
    if (outcome.ok) {
      const { runMs, batchRows } = outcome.timing;
      outstanding.line.noteRun(runMs, batchRows, outstanding.request.inputs[0]?.shape[0] ?? 1);
    }
    this.#settle(outstanding, outcome);
  }

  /** Adds every unanswered entry again: after a reconnect nobody knows which entries Redis still has. */
  async addAgain(): Promise<void> {
    await Promise.all([...this.#entries].map((entry) => this.#add(entry)));
  }

  /** Refuses every request that still waits. */
  refuseAll(error: SconceError): void {
    const outcome: ReplyOutcome = { ok: false, error: error.toJSON() };
    for (const outstanding of [...this.#outstanding.values()]) {
      outstanding.line.remove(outstanding);
      this.#settle(outstanding, outcome);
    }
  }

  #lineOf(key: string, pool: string): WaitingLine {
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = new WaitingLine(key, pool);
      this.#lines.set(key, line);
    }
    return line;
  }

  #schedule(line: WaitingLine): void {
    if (line.isScheduled || !line.mayFlush(this.#options.threadsOf(line.pool))) return;
    line.isScheduled = true;
    setImmediate(() => {
      line.isScheduled = false;
      this.#flush(line);
    });
  }

  #flush(line: WaitingLine): void {
    const threads = this.#options.threadsOf(line.pool);
    while (line.mayFlush(threads)) this.#send(line, line.take());
    if (line.isIdle) this.#lines.delete(line.key);
  }

  #send(line: WaitingLine, items: readonly Outstanding[]): void {
    const first = items[0];
    if (first === undefined) return;
    const { model, version, pool } = first.request;
    const frame = encodeRequestEntry({
      deliveries: 0,
      model,
      version,
      replyStream: this.#options.replyStream,
      number: ++this.#entryNumbers,
      requests: items.map(({ number, acceptedAtMs, deadlineMs, request }) => ({
        number,
        acceptedAtMs,
        deadlineMs,
        priority: request.priority,
        trace: request.trace,
        outputs: request.outputs,
        inputs: request.inputs,
      })),
    });
    const entry: Entry = { pool, line, frame, open: items.length };
    for (const item of items) item.entry = entry;
    line.entriesInFlight += 1;
    this.#entries.add(entry);
    this.#add(entry).catch((error: unknown) => {
      const outcome: ReplyOutcome = { ok: false, error: toSconceError(error).toJSON() };
      for (const item of items) this.#settle(item, outcome);
    });
  }

  async #add({ pool, frame }: Entry): Promise<RespReply> {
    try {
      return await this.#options.redis.call('XADD', this.#options.keys.onlineStream(pool), '*', 'f', frame);
    } catch (cause) {
      if (!(cause instanceof RespError)) throw cause;
      const message = `Redis did not accept the request: ${cause.message}. Try again shortly.`;
      throw new SconceError('redis_unavailable', message, { cause });
    }
  }

  #settle(outstanding: Outstanding, outcome: ReplyOutcome): void {
    if (!this.#outstanding.delete(outstanding.number)) return;
    this.#bytes -= outstanding.bytes;
    outstanding.rate.end(Date.now(), outcome.ok || !GIVEN_UP.has(outcome.error.code));
    if (this.#outstanding.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#leaveEntry(outstanding);
    outstanding.onSettled(outcome);
  }

  /** The last request of an entry makes room for the next one of its line. */
  #leaveEntry({ entry, line }: Outstanding): void {
    if (entry === undefined) {
      if (line.isIdle) this.#lines.delete(line.key);
      return;
    }
    entry.open -= 1;
    if (entry.open > 0) return;
    this.#entries.delete(entry);
    line.entriesInFlight -= 1;
    if (line.length > 0) this.#schedule(line);
    else if (line.isIdle) this.#lines.delete(line.key);
  }

  #abandon(outstanding: Outstanding, error: SconceError): void {
    if (!this.#outstanding.has(outstanding.number)) return;
    if (outstanding.entry === undefined) outstanding.line.remove(outstanding);
    else this.#noteGivenUp(outstanding.number);
    this.#settle(outstanding, { ok: false, error: error.toJSON() });
  }

  #noteGivenUp(number: number): void {
    this.#givenUp.push(number);
    if (this.#givenUp.length > 1) return;
    setImmediate(() => {
      const numbers = this.#givenUp;
      this.#givenUp = [];
      this.#options.onGivenUp(numbers);
    });
  }

  #checkDeadlines(): void {
    const nowMs = Date.now();
    for (const outstanding of this.#outstanding.values()) {
      if (outstanding.deadlineMs > nowMs) continue;
      this.#abandon(outstanding, new SconceError('deadline_exceeded', "No answer came within the request's timeout."));
    }
  }

  #rateOf(key: string): AnswerRate {
    let rate = this.#rates.get(key);
    if (rate === undefined) {
      rate = new AnswerRate();
      this.#rates.set(key, rate);
    }
    return rate;
  }

  #admit(
    pool: string,
    { bytes, rate, lateByMs }: { readonly bytes: number; readonly rate: AnswerRate; readonly lateByMs: number },
  ): void {
    const { maxOutstanding, maxOutstandingBytes, admit } = this.#options;
    const lateMs = (rate.expectedWaitMs() ?? 0) + Math.min(0, lateByMs);
    if (lateMs > 0) {
      const why = `${rate.outstanding} requests to this model are waiting, so an answer would come ${seconds(lateMs)} s after the request's timeout`;
      throw queueFull(why, Math.min(MAX_RETRY_AFTER_SECONDS, seconds(lateMs)));
    }
    if (this.#outstanding.size >= maxOutstanding) {
      throw queueFull(`${maxOutstanding} requests are already waiting for an answer`, 1);
    }
    if (this.#bytes + bytes > maxOutstandingBytes && this.#outstanding.size > 0) {
      throw queueFull(`${maxOutstandingBytes} bytes of requests are already waiting for an answer`, 1);
    }
    admit(pool);
  }
}

/** Whole seconds, at least one. */
function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000));
}
