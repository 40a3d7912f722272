import { freeBytes } from '@sconce/process/memory';
import { encodeReplyEntry, type NumberedReply } from './reply-entry.ts';
import type { MemoryUse } from './memory-use.ts';
import type { RespClient, RespCommand, RespPieces } from './resp-client.ts';
import { RespError, type RespReply } from './resp-parser.ts';

/** A reply stream outlives its producer by this much, seconds: then Redis removes answers that nobody reads. */
const STREAM_TTL_SECONDS = 120;
/** How often the expiry of a stream in use is set again, ms. */
const RENEW_MS = 30_000;

/** How often, and after which time, a reply is written again that Redis has no memory for. */
const REFUSED_TRIES = 100;
const REFUSED_RETRY_MS = 100;

/** An entry of a pool's stream whose requests have all been answered. */
export interface FinishedEntry {
  readonly stream: string;
  readonly id: string;
  /** Use of the entry's memory, which ends when its answers have been written: outputs may be views of it. */
  readonly frame?: MemoryUse;
}

/**
 * Writes answers: those of one turn of the event loop that go to one producer are one entry of its reply stream. An entry of requests is
 * acknowledged and deleted behind its answers in the same write, so a worker that dies in between leads to a second answer, never to none.
 */
export class ReplyBatcher {
  readonly #redis: RespClient;
  readonly #group: string;
  readonly #onError: (error: Error) => void;
  #replies = new Map<string, NumberedReply[]>();
  #finished: FinishedEntry[] = [];
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

  /** Resolves when everything that was added has been written, or could not be written. */
  async idle(): Promise<void> {
    while (this.#writes.size > 0) await Promise.all(this.#writes);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const write = new Promise<void>((resolve) => {
      setImmediate(() => {
        this.#isScheduled = false;
        this.#write().then(resolve, resolve);
      });
    });
    this.#writes.add(write);
    void write.then(() => this.#writes.delete(write));
  }

  async #write(): Promise<void> {
    const replies = [...this.#replies].map(([stream, own]) => ({ stream, own, frame: encodeReplyEntry(own) }));
    const entries = this.#finished;
    const finished = byStream(entries);
    this.#replies = new Map();
    this.#finished = [];
    const nowMs = performance.now();
    const commands: RespCommand[] = [];
    /** Position of a write that does nothing when its stream does not exist → that write. */
    const conditional = new Map<number, (typeof replies)[number]>();
    /** Position of the write of each reply. */
    const written = new Map<number, (typeof replies)[number]>();
    for (const reply of replies) {
      const { stream, frame } = reply;
      written.set(commands.length, reply);
      if (nowMs - (this.#renewedAtMs.get(stream) ?? -Infinity) < RENEW_MS) {
        conditional.set(commands.length, reply);
        commands.push(['XADD', stream, 'NOMKSTREAM', '*', 'f', frame]);
      } else commands.push(...this.#createAndWrite(stream, frame, nowMs));
    }
    for (const [stream, ids] of finished) {
      commands.push(['XACK', stream, this.#group, ...ids], ['XDEL', stream, ...ids]);
    }
    try {
      const answers = await this.#redis.pipeline(commands);
      const lost = [...conditional].filter(([at]) => answers[at] === null);
      const again = lost.flatMap(([, { stream, frame }]) => this.#createAndWrite(stream, frame, nowMs));
      if (again.length > 0) await this.#redis.pipeline(again);
      const refused = [...written].filter(([at]) => isOutOfMemory(answers[at]));
      if (refused.length > 0) await this.#writeRefused(refused.map(([, reply]) => reply));
      for (const { frame } of entries) frame?.end();
      for (const { own } of replies) freeOutputs(own);
    } catch (error) {
      // The entries are still pending: a worker claims them and answers again.
      this.#onError(error as Error);
    }
  }

  /** Writes replies again that Redis refused because it is at its `maxmemory`. Their entries are deleted already, which frees memory. */
  async #writeRefused(replies: readonly { readonly stream: string; readonly frame: RespPieces }[]): Promise<void> {
    let waiting = replies;
    for (let tries = 0; tries < REFUSED_TRIES && waiting.length > 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, REFUSED_RETRY_MS));
      const nowMs = performance.now();
      const answers = await Promise.all(
        waiting.map(({ stream, frame }) => this.#redis.pipeline(this.#createAndWrite(stream, frame, nowMs))),
      );
      waiting = waiting.filter((_, index) => isOutOfMemory(answers[index]?.[0]));
    }
    if (waiting.length > 0)
      this.#onError(new Error(`Redis is out of memory: ${waiting.length} replies were not written`));
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

function isOutOfMemory(reply: RespReply | undefined): boolean {
  return reply instanceof RespError && reply.code === 'OOM';
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
