import { LRUCache } from 'lru-cache';
import { SconceError, toSconceError } from '@sconce/errors';
import { freeBytes } from '@sconce/process/memory';
import { withTimeout } from '@sconce/process/time';
import type { RequestHandler } from '../consumers/request-consumer.ts';
import { isRetried } from '../consumers/job-consumer.ts';
import { bestEffort } from '../redis/redis-connection.ts';
import type { WorkerConnections } from '../redis/worker-connections.ts';
import { MAX_DELIVERIES } from '../queue-options.ts';
import { MemoryUse } from './memory-use.ts';
import { DeadWorkers } from './dead-workers.ts';
import { ReplyBatcher } from './reply-batcher.ts';
import type { ReplyOutcome } from './reply-entry.ts';
import {
  decodeRequestEntry,
  encodeRequestEntry,
  isOfNewerRelease,
  requestIdOf,
  type EntryRequest,
  type RequestEntry,
} from './request-entry.ts';
import { RespClient } from './resp-client.ts';
import { RespError, type RespReply } from './resp-parser.ts';
import { entriesIn } from './stream-entries.ts';
import { WORKERS_GROUP, WorkersGroup, type ClaimedEntry } from './workers-group.ts';

/** How long a read waits for an entry, ms. */
const READ_BLOCK_MS = 2_000;
const READ_COUNT = 16;
/** How often a busy worker looks for entries that no idle worker takes, ms. */
const BUSY_POLL_MS = 5;
/** A busy worker holds at most so many entries: workers that start later get the rest. */
const MAX_HELD_WHEN_BUSY = 32;
/** How often a worker renews its entries and looks for entries of dead workers, ms. */
const CLAIM_INTERVAL_MS = 500;
const RETRY_MS = 100;
/** How long the end of a read may take when the consumer closes, ms. */
const STOP_READING_MS = 500;
/** How long the last answers may take to be written when the consumer closes, ms. */
const LAST_ANSWERS_MS = 2_500;
const MAX_ANSWERED = 4_096;
const MAX_GIVEN_UP = 1_024;
/** An entry of a newer release lies so long before it goes back: a newer worker or this one reads it then, ms. */
const NEWER_DELAY_MS = 200;
/** How often dead workers are removed from the group, ms. */
const CLEAN_INTERVAL_MS = 600_000;

export interface StreamConsumerOptions {
  readonly pool: string;
  readonly handle: RequestHandler;
  /** Whether the threads could run out of work. */
  readonly hasRoom: () => boolean;
  /** Called twice for each entry: when it is taken, and when this worker is done with it. */
  readonly onEntry?: (event: EntryEvent) => void;
}

/** What happened to an entry: taken, answered, written again after an error or a death, or handed back. */
export type EntryEvent = 'taken' | 'answered' | 'retried' | 'handed_back';

/** An entry that this worker holds. */
interface HeldEntry {
  readonly id: string;
  readonly entry: RequestEntry;
  readonly delivery: number;
  /** The requests without an answer by their numbers, and of each that is handled whether somebody still wants its answer. */
  readonly open: Map<number, { aborted: boolean } | undefined>;
  /** Whether a request of it was written again: then this worker has not answered the whole entry. */
  isWrittenAgain: boolean;
  /** Use of the bytes of which the inputs are views. */
  readonly frame: MemoryUse;
  readonly readAtMs: number;
}

/**
 * Takes a pool's online requests, has each one handled, and answers it.
 *
 * States: *consuming* (`start`) → *draining* (`close`: reads nothing more, finishes what it holds) → *closed*.
 *
 * A worker whose threads could run out of work waits in Redis for entries. A busy worker only looks every few milliseconds, up to a
 * bound: an entry that it finds then is one that no idle worker was waiting for, and perhaps one of a model that has had no turn. A worker
 * renews what it holds twice a second; entries that were not renewed are claimed from dead workers.
 */
export class StreamConsumer {
  readonly #options: StreamConsumerOptions;
  readonly #onError: (error: Error) => void;
  readonly #stream: string;
  readonly #reader: RespClient;
  readonly #writer: RespClient;
  readonly #group: WorkersGroup;
  readonly #dead: DeadWorkers;
  readonly #replies: ReplyBatcher;
  readonly #held = new Map<string, HeldEntry>();
  /** Entries by producer and number that this worker has answered: a producer may add them again after a reconnect. */
  readonly #answered = new LRUCache<string, true>({ max: MAX_ANSWERED });
  readonly #givenUp = new LRUCache<string, true>({ max: MAX_GIVEN_UP });
  #draining = false;
  #loop: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #idle: (() => void) | undefined;
  #cleanedAtMs = 0;

  constructor({ config, keys, online, workerId, onError }: WorkerConnections, options: StreamConsumerOptions) {
    this.#options = options;
    this.#onError = onError;
    this.#stream = keys.onlineStream(options.pool);
    this.#reader = new RespClient({ url: config.redisUrl, name: 'sconce.worker.online-read', onError });
    this.#writer = online;
    this.#group = new WorkersGroup(online, this.#stream, workerId);
    const take = (entry: ClaimedEntry): void => this.#take(entry.id, entry.frame, entry.deliveries);
    this.#dead = new DeadWorkers({ redis: online, keys, group: this.#group, take, onError });
    this.#replies = new ReplyBatcher({ redis: online, group: WORKERS_GROUP, onError });
  }

  /** Entries under way. */
  get active(): number {
    return this.#held.size;
  }

  /** Begins to take entries. Resolves when the group exists, or with the first failed try. */
  async start(): Promise<void> {
    await this.#group.create().catch(this.#onError);
    if (this.#draining) return;
    this.#loop = this.#read();
    this.#dead.start();
    this.#timer = setInterval(() => void this.#keep().catch(this.#onError), CLAIM_INTERVAL_MS);
  }

  /** Callers of these requests have gone; ids as in `requestIdOf`. */
  giveUp(ids: readonly string[]): void {
    for (const id of ids) {
      const [producer = '', number] = splitId(id);
      const held = [...this.#held.values()].find(
        ({ entry, open }) => entry.replyStream.endsWith(producer) && open.get(number) !== undefined,
      );
      const signal = held?.open.get(number);
      if (signal === undefined) this.#givenUp.set(id, true);
      else signal.aborted = true;
    }
  }

  /** Reads nothing more and waits for what it holds, at most so long; the rest goes back. Answers whether everything was finished. */
  async close(graceMs: number): Promise<boolean> {
    await this.#stopReading();
    if (this.#held.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#idle = resolve;
      await withTimeout(promise, graceMs);
    }
    const finished = this.#held.size === 0;
    clearInterval(this.#timer);
    // A connection that was lost takes about a second to come back.
    await withTimeout(this.#replies.idle(), LAST_ANSWERS_MS);
    await bestEffort(this.#handBackAll({ counted: false }));
    if (this.#writer.ready) await bestEffort(this.#group.leave());
    return finished;
  }

  /** Writes every entry that it holds again for other workers, because this process is about to end. Their deliveries stay counted. */
  async requeueAll(): Promise<void> {
    await this.#stopReading();
    await this.#handBackAll({ counted: true });
  }

  /** Ends the read that waits in Redis: a connection that is only closed could still get an entry, and lose it. */
  async #stopReading(): Promise<void> {
    this.#draining = true;
    this.#dead.stop();
    if (this.#reader.ready && this.#writer.ready) {
      await bestEffort(this.#writer.call('CLIENT', 'UNBLOCK', this.#reader.id));
      if (this.#loop !== undefined) await withTimeout(this.#loop, STOP_READING_MS);
    }
    this.#reader.close();
    await this.#loop;
  }

  async #handBackAll({ counted }: { readonly counted: boolean }): Promise<void> {
    await Promise.all(
      [...this.#held.values()].map(async (held) => {
        const requests = held.entry.requests.filter(({ number }) => held.open.has(number));
        const deliveries = counted ? held.delivery : held.delivery - 1;
        await this.#writeAgain(held, [{ ...held.entry, requests, deliveries }], 'handed_back').catch(this.#onError);
      }),
    );
    await withTimeout(this.#replies.idle(), LAST_ANSWERS_MS);
  }

  async #read(): Promise<void> {
    while (!this.#draining) {
      try {
        const hasRoom = this.#options.hasRoom();
        if (!hasRoom && this.#held.size >= MAX_HELD_WHEN_BUSY) {
          await new Promise((resolve) => setTimeout(resolve, BUSY_POLL_MS));
          continue;
        }
        const block = hasRoom ? ['BLOCK', READ_BLOCK_MS] : [];
        const count = hasRoom ? READ_COUNT : 1;
        const found = await this.#reader.call(
          ...['XREADGROUP', 'GROUP', WORKERS_GROUP, this.#group.consumer, 'COUNT', count],
          ...block,
          ...['STREAMS', this.#stream, '>'],
        );
        for (const [id, frame] of entriesOf(found)) this.#take(id, frame, 1);
        // The requests reach the batcher within this turn: then it is known whether there is room for more.
        if (found !== null) await new Promise((resolve) => setImmediate(resolve));
        else if (!hasRoom) await new Promise((resolve) => setTimeout(resolve, BUSY_POLL_MS));
      } catch (error) {
        if (this.#draining) return;
        if (error instanceof RespError && error.code === 'NOGROUP') await this.#group.create().catch(this.#onError);
        else {
          this.#onError(error as Error);
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
      }
    }
  }

  /** Renews what it holds, then claims what dead workers left. */
  async #keep(): Promise<void> {
    if (!this.#writer.ready) return;
    const nowMs = performance.now();
    const old = [...this.#held.values()].filter(({ readAtMs }) => nowMs - readAtMs >= CLAIM_INTERVAL_MS / 2);
    await this.#group.renew(old.map(({ id }) => id));
    if (this.#draining) return;
    for (const { id, frame, deliveries } of await this.#group.claim()) this.#take(id, frame, deliveries);
    if (nowMs - this.#cleanedAtMs < CLEAN_INTERVAL_MS) return;
    this.#cleanedAtMs = nowMs;
    await this.#group.removeDeadConsumers();
  }

  #take(id: string, frame: Buffer, deliveries: number): void {
    // A claim may find an entry that this worker has held since before a pause.
    if (this.#held.has(id)) return;
    let entry: RequestEntry;
    try {
      entry = decodeRequestEntry(frame);
    } catch (error) {
      if (isOfNewerRelease(frame)) {
        setTimeout(() => void this.#leaveToNewerRelease(id, frame).catch(this.#onError), NEWER_DELAY_MS).unref();
        return;
      }
      this.#onError(error as Error);
      this.#replies.finish({ stream: this.#stream, id });
      return;
    }
    const key = `${entry.replyStream}/${entry.number}`;
    if (this.#answered.has(key)) {
      this.#replies.finish({ stream: this.#stream, id });
      return;
    }
    const delivery = deliveries + entry.deliveries;
    const held: HeldEntry = {
      id,
      entry,
      delivery,
      open: new Map(entry.requests.map(({ number }) => [number, undefined])),
      isWrittenAgain: false,
      frame: new MemoryUse(() => freeBytes(frame)),
      readAtMs: performance.now(),
    };
    this.#held.set(id, held);
    this.#options.onEntry?.('taken');
    if (delivery > MAX_DELIVERIES) {
      const text = `${MAX_DELIVERIES} workers ended while they ran this request; it is not run again.`;
      const outcome: ReplyOutcome = { ok: false, error: new SconceError('worker_lost', text).toJSON() };
      for (const { number } of entry.requests) this.#settle(held, number, outcome);
    } else if (delivery > 1 && entry.requests.length > 1) {
      // One of the requests may have ended the worker: alone, it takes no other request with it.
      void this.#split(held).catch(this.#onError);
    } else {
      const takenAtMs = performance.timeOrigin + performance.now();
      for (const request of entry.requests) void this.#run(held, request, takenAtMs);
    }
  }

  /** Writes an entry that only a newer worker can read behind the others; the delivery does not count. */
  async #leaveToNewerRelease(id: string, frame: Buffer): Promise<void> {
    await this.#writer.call('XADD', this.#stream, '*', 'f', frame);
    this.#replies.finish({ stream: this.#stream, id });
  }

  async #split(held: HeldEntry): Promise<void> {
    const { entry, delivery } = held;
    const deliveries = delivery - 1;
    const singles = entry.requests.map((request) => ({
      ...entry,
      number: -request.number,
      requests: [request],
      deliveries,
    }));
    await this.#writeAgain(held, singles, 'retried');
  }

  async #run(held: HeldEntry, request: EntryRequest, takenAtMs: number): Promise<void> {
    const { entry, delivery } = held;
    const id = requestIdOf(entry.replyStream, request.number);
    if (this.#givenUp.delete(id)) {
      this.#close(held, request.number);
      return;
    }
    const signal = { aborted: false };
    held.open.set(request.number, signal);
    try {
      if (Date.now() > request.deadlineMs) {
        throw new SconceError('deadline_exceeded', 'The request waited in the queue past its timeout.');
      }
      const { outputs, timing } = await this.#options.handle({
        model: entry.model,
        version: entry.version,
        lane: 'online',
        owner: entry.owner,
        request: { ...request, id, inputs: request.inputs.length, outputs: [...request.outputs], durable: false },
        inputs: request.inputs,
        addedAtMs: entry.addedAtMs,
        takenAtMs,
        delivery,
        suspect: delivery > 1,
        jobRequests: entry.requests.length,
        signal,
      });
      this.#settle(held, request.number, { ok: true, outputs, timing });
    } catch (thrown) {
      const error = toSconceError(thrown);
      // A worker that drains hands the entry back; the error is the shutdown's.
      if (error.code === 'shutting_down') return;
      if (isRetried(error, delivery)) {
        const single = { ...entry, number: -request.number, requests: [request], deliveries: delivery };
        held.isWrittenAgain = true;
        await this.#addCopies(held, [single]).then(
          () => this.#close(held, request.number),
          (failure: unknown) => this.#onError(failure as Error),
        );
        return;
      }
      this.#settle(held, request.number, { ok: false, error: error.toJSON() });
    }
  }

  #settle(held: HeldEntry, number: number, outcome: ReplyOutcome): void {
    if (this.#held.get(held.id) !== held) return;
    // A run of the rest of the request may still begin.
    if (!outcome.ok) held.frame.keep();
    this.#replies.reply(held.entry.replyStream, { number, outcome });
    this.#close(held, number);
  }

  /** A request needs nothing more here; the last one finishes its entry. */
  #close(held: HeldEntry, number: number): void {
    held.open.delete(number);
    if (held.open.size > 0 || this.#held.get(held.id) !== held) return;
    if (!held.isWrittenAgain) this.#answered.set(`${held.entry.replyStream}/${held.entry.number}`, true);
    this.#replies.finish({ stream: this.#stream, id: held.id, frame: held.frame });
    this.#forget(held, held.isWrittenAgain ? 'retried' : 'answered');
  }

  #forget(held: HeldEntry, event: EntryEvent): void {
    this.#held.delete(held.id);
    this.#options.onEntry?.(event);
    if (this.#held.size === 0) this.#idle?.();
  }

  /** Writes entries in place of one that is held: copies first, so that none is lost in between. */
  async #writeAgain(held: HeldEntry, entries: readonly RequestEntry[], event: EntryEvent): Promise<void> {
    await this.#addCopies(held, entries);
    for (const signal of held.open.values()) if (signal !== undefined) signal.aborted = true;
    this.#forget(held, event);
    this.#replies.finish({ stream: this.#stream, id: held.id });
  }

  /** Adds entries, again and again while Redis does not take them: nobody else runs what this worker holds. @throws when it closes. */
  async #addCopies({ frame }: HeldEntry, entries: readonly RequestEntry[]): Promise<void> {
    frame.keep();
    const commands = entries.map((entry) => ['XADD', this.#stream, '*', 'f', encodeRequestEntry(entry)] as const);
    for (;;) {
      const failure = await this.#writer.pipeline(commands).then(
        (replies) => replies.find((reply) => reply instanceof RespError),
        (error: unknown) => error,
      );
      if (failure === undefined) return;
      if (this.#draining) throw failure;
      this.#onError(failure as Error);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function splitId(id: string): [producer: string, number: number] {
  const at = id.lastIndexOf('#');
  return [id.slice(0, at), Number(id.slice(at + 1))];
}

/** Entries of a reply to XREADGROUP for one stream. */
function entriesOf(reply: RespReply): [id: string, frame: Buffer][] {
  const [stream] = Array.isArray(reply) ? reply : [];
  return Array.isArray(stream) ? entriesIn(stream[1]) : [];
}
