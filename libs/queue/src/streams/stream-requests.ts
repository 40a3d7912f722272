import { SconceError, deserializeError, toSconceError } from '@sconce/errors';
import { epochMs } from '@sconce/process/time';
import {
  ENDED,
  type AnswerListener,
  type BeginOptions,
  type InferencePort,
  type PendingRequest,
} from '../producers/inference-port.ts';
import type { InferenceRequest } from '../producers/inference-request.ts';
import type { RequestAdmission } from '../producers/request-admission.ts';
import type { UsageNotes } from '../records/version-usage.ts';
import type { Keys } from '../redis/keys.ts';
import type { NumberedReply, ReplyOutcome } from './reply-entry.ts';
import { encodeRequestEntry } from './request-entry.ts';
import { AnswerTurns } from './answer-turns.ts';
import { MemoryUse } from './memory-use.ts';
import { NumberedTable } from './numbered-table.ts';
import { OutstandingRequest, type SentEntry } from './outstanding-request.ts';
import { WaitingLine } from './waiting-line.ts';
import { RespError, type RespReply } from './resp-parser.ts';
import type { RespClient } from './resp-client.ts';

/** How often deadlines are looked at, ms. */
const DEADLINE_CHECK_MS = 50;
/** How long a producer counts as shared after the latest change from one owner's request to another's, ms. */
const SHARED_MS = 1_000;
/** When a caller should try again whose request Redis refused: it has no memory, or loads its data. */
const RETRY_AFTER_SECONDS = 5;
/** How often an entry is added when the connection is lost. Each time waits two seconds for a connection. */
const MAX_TRIES = 3;

export interface StreamRequestsOptions {
  readonly redis: Pick<RespClient, 'call' | 'ready'>;
  readonly keys: Keys;
  /** Stream the answers come back on. */
  readonly replyStream: string;
  readonly admission: RequestAdmission;
  readonly usage: Pick<UsageNotes, 'begin'>;
  /** Threads of all workers of a pool, as far as known; at least 1. */
  readonly threadsOf: (pool: string) => number;
  /** Throws `queue_full` when the pool has as many entries as it may have, or Redis has no memory for the bytes of another request. */
  readonly admit: (pool: string, bytes: number) => void;
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
export class StreamRequests implements InferencePort {
  readonly #options: StreamRequestsOptions;
  readonly #lines = new Map<string, WaitingLine>();
  readonly #outstanding = new NumberedTable<OutstandingRequest>();
  readonly #entries = new NumberedTable<SentEntry>();
  readonly #turns = new AnswerTurns<NumberedReply>({
    ownerOf: ({ number }) => this.#outstanding.get(number)?.request.owner ?? '',
    handOn: (reply) => this.onReply(reply),
  });
  /** What names the line of the latest request, and the line's key. */
  #latest: (Pick<InferenceRequest, 'model' | 'version' | 'pool' | 'priority' | 'owner'> & { key: string }) | undefined;
  /** Until when this producer counts as shared by several owners, epoch ms. */
  #sharedUntilMs = 0;
  #numbers = 0;
  #entryNumbers = 0;
  #givenUp: number[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: StreamRequestsOptions) {
    this.#options = options;
  }

  /** For each pool, how many entries the requests would fill that have not been sent. A pool without any is absent. */
  get backlog(): ReadonlyMap<string, number> {
    const backlog = new Map<string, number>();
    for (const { pool, entriesWaiting } of this.#lines.values()) {
      if (entriesWaiting > 0) backlog.set(pool, (backlog.get(pool) ?? 0) + entriesWaiting);
    }
    return backlog;
  }

  begin(request: InferenceRequest, options: BeginOptions, listener: AnswerListener): PendingRequest {
    try {
      return this.#accept(request, options, listener);
    } catch (error) {
      listener.onError(error);
      return ENDED;
    }
  }

  /** @throws SconceError `queue_full`. */
  #accept(
    request: InferenceRequest,
    { deadlineMs, onInputsUnused }: BeginOptions,
    listener: AnswerListener,
  ): OutstandingRequest {
    const { model, version, pool, owner } = request;
    const { admission, admit, usage } = this.#options;
    let bytes = 0;
    for (const { data } of request.inputs) bytes += data.byteLength;
    const key = this.#keyOf(request);
    const candidate = { line: key, owner, bytes };
    admission.check(candidate, deadlineMs);
    admit(pool, bytes);
    const acceptedAtMs = epochMs();
    const line = this.#lineOf(key, pool);
    const outstanding = new OutstandingRequest({
      number: ++this.#numbers,
      request,
      line,
      admitted: admission.begin(candidate, acceptedAtMs),
      acceptedAtMs,
      deadlineMs,
      listener,
      onInputsUnused,
      endUse: usage.begin(model, version),
      onGivenUp: this.#giveUp,
    });
    this.#outstanding.add(outstanding);
    this.#timer ??= setInterval(() => this.#checkDeadlines(), DEADLINE_CHECK_MS);
    line.add(outstanding);
    this.#schedule(line);
    return outstanding;
  }

  /** Answers have come together. One owner's answers are all handed on at once: turns cost a tenth of the throughput (ADR 28). */
  onReplies(replies: readonly NumberedReply[]): void {
    if (!this.#turns.isEmpty || Date.now() < this.#sharedUntilMs) this.#turns.add(replies);
    else for (const reply of replies) this.onReply(reply);
  }

  /** An answer has come. */
  onReply({ number, outcome }: NumberedReply): void {
    const outstanding = this.#outstanding.get(number);
    if (outstanding === undefined) {
      if (outcome.ok) outcome.memory?.end();
      this.#options.onLateReply();
      return;
    }
    if (outcome.ok) {
      const { runMs, batchRows } = outcome.timing;
      outstanding.line.noteRun(runMs, batchRows, outstanding.request.inputs[0]?.shape[0] ?? 1);
    }
    this.#settle(outstanding, outcome);
  }

  /** Adds unanswered entries again: after a reconnect, Redis may have lost some. */
  async addAgain(): Promise<void> {
    await Promise.all(this.#entries.filter(({ isAdded }) => isAdded).map((entry) => this.#add(entry)));
  }

  /** Refuses every request that has no answer. */
  refuseAll(error: SconceError): void {
    this.#turns.flush();
    this.#refuse(
      this.#outstanding.filter(() => true),
      error,
    );
  }

  #refuse(requests: readonly OutstandingRequest[], error: SconceError): void {
    const outcome: ReplyOutcome = { ok: false, error: error.toJSON() };
    for (const outstanding of requests) {
      if (outstanding.entry === undefined) outstanding.line.remove(outstanding);
      this.#settle(outstanding, outcome);
    }
  }

  /** The key of a request's line. That of the latest request is kept: to make one and to hash it takes a microsecond. */
  #keyOf({ model, version, pool, priority, owner }: InferenceRequest): string {
    const latest = this.#latest;
    const isSameModel = latest?.model === model && latest.version === version && latest.pool === pool;
    if (isSameModel && latest.priority === priority && latest.owner === owner) return latest.key;
    if (latest !== undefined && latest.owner !== owner) this.#sharedUntilMs = Date.now() + SHARED_MS;
    const key = `${pool}/${model}/${version}/${priority ?? ''}/${owner ?? ''}`;
    this.#latest = { model, version, pool, priority, owner, key };
    return key;
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

  #send(line: WaitingLine, items: readonly OutstandingRequest[]): void {
    const first = items[0];
    if (first === undefined) return;
    const { model, version, pool, owner } = first.request;
    const number = ++this.#entryNumbers;
    const frame = encodeRequestEntry({
      deliveries: 0,
      model,
      version,
      owner,
      replyStream: this.#options.replyStream,
      number,
      addedAtMs: epochMs(),
      requests: items.map(({ number: own, acceptedAtMs, deadlineMs, request }) => ({
        number: own,
        acceptedAtMs,
        deadlineMs,
        priority: request.priority,
        trace: request.trace,
        outputs: request.outputs,
        inputs: request.inputs,
      })),
    });
    const inputs = new MemoryUse(() => {
      for (const { onInputsUnused } of items) onInputsUnused?.();
    });
    const entry: SentEntry = { number, pool, line, frame, inputs, open: items.length, isAdded: false };
    for (const item of items) item.entry = entry;
    this.#entries.add(entry);
    void this.#deliver(entry, items);
  }

  /** Adds a new entry. If that fails, its requests fail. */
  async #deliver(entry: SentEntry, items: readonly OutstandingRequest[]): Promise<void> {
    try {
      await this.#addUntilConfirmed(entry);
      entry.isAdded = true;
    } catch (error) {
      // Redis is away or takes no entries: the requests that have not been sent would wait in vain.
      const waiting = this.#outstanding.filter(({ entry: own }) => own === undefined);
      this.#refuse([...items, ...waiting], notAdded(error));
    }
  }

  /** Adds an entry, again when the connection is lost before the reply: Redis may have lost it, or never got it. */
  async #addUntilConfirmed(entry: SentEntry): Promise<void> {
    for (let tries = 1; ; tries++) {
      const wasSent = this.#options.redis.ready;
      try {
        await this.#add(entry);
        return;
      } catch (error) {
        if (error instanceof RespError || (!wasSent && tries === 1) || tries === MAX_TRIES) throw error;
      }
    }
  }

  async #add(entry: SentEntry): Promise<RespReply> {
    const { redis, keys } = this.#options;
    entry.inputs.begin();
    try {
      return await redis.call('XADD', keys.onlineStream(entry.pool), '*', 'f', entry.frame);
    } catch (error) {
      // The frame may be written again, also when all its requests have ended.
      entry.inputs.keep();
      throw error;
    } finally {
      entry.inputs.end();
    }
  }

  #settle(outstanding: OutstandingRequest, outcome: ReplyOutcome): void {
    if (!this.#outstanding.delete(outstanding.number)) return;
    this.#options.admission.end(outstanding.admitted, outcome.ok ? undefined : outcome.error.code);
    if (this.#outstanding.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#leaveEntry(outstanding);
    outstanding.endUse();
    const { listener } = outstanding;
    if (outcome.ok) listener.onAnswer(outcome);
    else listener.onError(deserializeError(outcome.error));
  }

  /** A request that ends makes room for the next ones of its line. */
  #leaveEntry(outstanding: OutstandingRequest): void {
    const { entry, line } = outstanding;
    if (entry !== undefined) {
      entry.open -= 1;
      line.ended(outstanding, entry.open === 0);
      if (entry.open === 0) {
        this.#entries.delete(entry.number);
        entry.inputs.end();
      }
    }
    if (line.length > 0) this.#schedule(line);
    else if (line.isIdle) this.#lines.delete(line.key);
  }

  readonly #giveUp = (outstanding: OutstandingRequest): void => {
    if (this.#outstanding.get(outstanding.number) === undefined) return;
    this.#abandon(outstanding, new SconceError('job_cancelled', 'The caller closed the connection.'));
  };

  #abandon(outstanding: OutstandingRequest, error: SconceError): void {
    if (this.#outstanding.get(outstanding.number) === undefined) return;
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
    for (const outstanding of this.#outstanding.filter(({ deadlineMs }) => deadlineMs <= nowMs)) {
      this.#abandon(outstanding, new SconceError('deadline_exceeded', "No answer came within the request's timeout."));
    }
  }
}

function notAdded(cause: unknown): SconceError {
  if (!(cause instanceof RespError)) return toSconceError(cause);
  const message = `Redis did not accept the request: ${cause.message}. Try again shortly.`;
  return new SconceError('redis_unavailable', message, { cause, details: { retryAfterSeconds: RETRY_AFTER_SECONDS } });
}
