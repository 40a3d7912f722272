import { freeBytes } from '@sconce/process/memory';
import { encodeReplyEntry, type NumberedReply } from './reply-entry.ts';
import type { MemoryUse } from './memory-use.ts';
import { RespError } from './resp-parser.ts';
import type { RespClient, RespCommand, RespPieces } from './resp-client.ts';

/** A reply stream outlives its producer by this much, seconds: then Redis removes answers that nobody reads. */
const STREAM_TTL_SECONDS = 120;
/** How often the expiry of a stream in use is set again, ms. */
const RENEW_MS = 30_000;
/** Answers that Redis did not take are written again after this pause, ms. */
const REWRITE_MS = 100;
/** After this time nobody waits for an answer any more, ms. */
const KEEP_MS = 60_000;

/** An entry of a pool's stream whose requests have all been answered. */
export interface FinishedEntry {
  readonly stream: string;
  readonly id: string;
  /** Use of the entry's memory, which ends when its answers have been written: outputs may be views of it. */
  readonly frame?: MemoryUse;
}

/** Answers for one reply stream that are written together. */
interface Write {
  readonly stream: string;
  readonly own: readonly NumberedReply[];
  readonly frame: RespPieces;
  readonly untilMs: number;
}

/**
 * Writes answers: those of one turn of the event loop that go to one producer are one entry of its reply stream. An entry of requests is
 * acknowledged and deleted behind its answers in the same write, so a worker that dies in between leads to a second answer, never to none.
 * Answers that Redis does not take (it is away, full or read-only) are written again until it does: this worker does not run requests
 * again that it has answered.
 */
export class ReplyBatcher {
  readonly #redis: RespClient;
  readonly #group: string;
  readonly #onError: (error: Error) => void;
  #replies = new Map<string, NumberedReply[]>();
  #finished: FinishedEntry[] = [];
  #unwritten: Write[] = [];
  #isScheduled = false;
  readonly #writes = new Set<Promise<void>>();
  /** Reply stream → when its expiry was last set. */
  readonly #renewedAtMs = new Map<string, number>();

  constructor(options: { redis: RespClient; group: string; onError: (error: Error) => void }) {
    this.#redis = options.redis;
    this.#group = options.group;
    this.#onError = options.onError;
  }

  /** Adds an answer to the next write. */
  reply(replyStream: string, reply: NumberedReply): void {
    const waiting = this.#replies.get(replyStream);
    if (waiting === undefined) this.#replies.set(replyStream, [reply]);
    else waiting.push(reply);
    this.#schedule();
  }

  /** Acknowledges and deletes an entry with the next write. */
  finish(entry: FinishedEntry): void {
    this.#finished.push(entry);
    this.#schedule();
  }

  /** Resolves when everything that was added has been written, or is too old. */
  async idle(): Promise<void> {
    while (this.#writes.size > 0) await Promise.all(this.#writes);
  }

  #schedule(pauseMs = 0): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const write = new Promise<void>((resolve) => {
      const begin = (): void => {
        this.#isScheduled = false;
        this.#write().then(resolve, resolve);
      };
      if (pauseMs === 0) setImmediate(begin);
      else setTimeout(begin, pauseMs);
    });
    this.#writes.add(write);
    void write.then(() => this.#writes.delete(write));
  }

  async #write(): Promise<void> {
    const nowMs = performance.now();
    const untilMs = nowMs + KEEP_MS;
    const old = this.#unwritten.filter((write) => write.untilMs > nowMs);
    const fresh = [...this.#replies].map(([stream, own]) => ({ stream, own, frame: encodeReplyEntry(own), untilMs }));
    const writes: readonly Write[] = old.length === 0 ? fresh : [...old, ...fresh];
    const entries = this.#finished;
    this.#replies = new Map();
    this.#finished = [];
    this.#unwritten = [];
    const refused = await this.#send(writes, entries, nowMs);
    for (const write of writes) if (!refused.includes(write)) freeOutputs(write.own);
    if (refused.length === 0) {
      for (const { frame } of entries) frame?.end();
      return;
    }
    // Outputs may be views of the entries' memory, so the entries end with the last of their answers.
    this.#unwritten.push(...refused);
    this.#finished.unshift(...entries);
    this.#schedule(REWRITE_MS);
  }

  /** Writes answers and acknowledges entries. Returns the answers that Redis may not have. */
  async #send(writes: readonly Write[], entries: readonly FinishedEntry[], nowMs: number): Promise<readonly Write[]> {
    const commands: RespCommand[] = [];
    /** Position of the write of an answer, and whether it does nothing when its stream does not exist. */
    const positions: { readonly write: Write; readonly at: number; readonly isConditional: boolean }[] = [];
    for (const write of writes) {
      const { stream, frame } = write;
      const isConditional = nowMs - (this.#renewedAtMs.get(stream) ?? -Infinity) < RENEW_MS;
      positions.push({ write, at: commands.length, isConditional });
      if (isConditional) commands.push(['XADD', stream, 'NOMKSTREAM', '*', 'f', frame]);
      else commands.push(...this.#createAndWrite(stream, frame, nowMs));
    }
    for (const [stream, ids] of byStream(entries)) {
      commands.push(['XACK', stream, this.#group, ...ids], ['XDEL', stream, ...ids]);
    }
    try {
      const answers = await this.#redis.pipeline(commands);
      const refused = positions.filter(({ at }) => answers[at] instanceof RespError).map(({ write }) => write);
      if (refused.length > 0) {
        for (const { stream } of refused) this.#renewedAtMs.delete(stream);
        this.#onError(answers.find((answer) => answer instanceof RespError) as RespError);
      }
      const lost = positions.filter(({ at, isConditional }) => isConditional && answers[at] === null);
      const again = lost.flatMap(({ write: { stream, frame } }) => this.#createAndWrite(stream, frame, nowMs));
      if (again.length > 0) await this.#redis.pipeline(again);
      return refused;
    } catch (error) {
      this.#onError(error as Error);
      for (const { stream } of writes) this.#renewedAtMs.delete(stream);
      return writes;
    }
  }

  /** Writes to a stream that may not exist, and sets its expiry. */
  #createAndWrite(stream: string, frame: RespPieces, nowMs: number): RespCommand[] {
    this.#renewedAtMs.set(stream, nowMs);
    for (const [other, atMs] of this.#renewedAtMs) if (nowMs - atMs > 2 * RENEW_MS) this.#renewedAtMs.delete(other);
    return [
      ['XADD', stream, '*', 'f', frame],
      ['EXPIRE', stream, STREAM_TTL_SECONDS],
    ];
  }
}

/** The answers have been written: nobody reads the memory of their outputs any more. */
function freeOutputs(replies: readonly NumberedReply[]): void {
  for (const { outcome } of replies) {
    if (outcome.ok) for (const { data } of outcome.outputs) freeBytes(data);
  }
}

function byStream(entries: readonly FinishedEntry[]): Map<string, string[]> {
  const ids = new Map<string, string[]>();
  for (const { stream, id } of entries) {
    const own = ids.get(stream);
    if (own === undefined) ids.set(stream, [id]);
    else own.push(id);
  }
  return ids;
}
