import type { OutstandingRequest } from './outstanding-request.ts';

/** Entries of a fast model that may be unanswered: while they are, the next one gathers requests. */
const FAST_ENTRIES = 2;
/** A model whose full entry takes longer needs an entry for each thread of the pool, ms. */
const SLOW_MS = 5;
/** An entry holds work of at most so long, as far as is known. */
const ENTRY_WORK_MS = 50;
const MAX_REQUESTS_PER_ENTRY = 64;
const MAX_BYTES_PER_ENTRY = 1024 ** 2;
/** Beyond the entries that a line may always have, more may go while its unanswered requests have fewer bytes than this. */
const MAX_BYTES_IN_FLIGHT = 16 * 1024 ** 2;

/**
 * Requests of one model version, one priority and one owner that wait in this producer.
 *
 * Only a few entries of a line may be unanswered. So no line fills the pool's stream, and a request of another line has only few
 * requests in front of it, however many wait here. Entries are often smaller than they may be: large inputs fill them, or few requests
 * had come when they went. Then more entries may go, until the unanswered requests are as many as full entries would hold: threads that
 * have nothing to run would cost more.
 */
export class WaitingLine {
  readonly key: string;
  readonly pool: string;
  /** Whether a flush comes at the end of this turn of the event loop. */
  isScheduled = false;
  #waiting: OutstandingRequest[] = [];
  #first = 0;
  #bytesWaiting = 0;
  /** Entries in the stream or with a worker, and what they hold that has no answer. */
  readonly #inFlight = { entries: 0, requests: 0, bytes: 0 };
  /** Time in the native run per request, smoothed, ms; undefined before the first answer. */
  #runMs: number | undefined;

  constructor(key: string, pool: string) {
    this.key = key;
    this.pool = pool;
  }

  get length(): number {
    return this.#waiting.length - this.#first;
  }

  get isIdle(): boolean {
    return this.length === 0 && this.#inFlight.entries === 0 && !this.isScheduled;
  }

  add(request: OutstandingRequest): void {
    this.#waiting.push(request);
    this.#bytesWaiting += request.admitted.bytes;
  }

  /** Takes a waiting request out. False when it is in an entry already. */
  remove(request: OutstandingRequest): boolean {
    const index = this.#waiting.indexOf(request, this.#first);
    if (index < 0) return false;
    this.#waiting.splice(index, 1);
    this.#bytesWaiting -= request.admitted.bytes;
    return true;
  }

  /** A request of an entry has ended; `isLast`: so has the entry. */
  ended({ admitted }: OutstandingRequest, isLast: boolean): void {
    this.#inFlight.requests -= 1;
    this.#inFlight.bytes -= admitted.bytes;
    if (isLast) this.#inFlight.entries -= 1;
  }

  /** An answer came whose run took so long for so many rows together. */
  noteRun(runMs: number, rowsInRun: number, ownRows: number): void {
    const ms = (runMs / Math.max(1, rowsInRun)) * Math.max(1, ownRows);
    this.#runMs = this.#runMs === undefined ? ms : 0.8 * this.#runMs + 0.2 * ms;
  }

  /** How many entries the waiting requests would fill. */
  get entriesWaiting(): number {
    return Math.ceil(this.length / this.#requestsPerEntry);
  }

  /** Whether another entry may go; `threads` are those of the pool's workers. */
  mayFlush(threads: number): boolean {
    if (this.length === 0) return false;
    const perEntry = this.#requestsPerEntry;
    const isSlow = (this.#runMs ?? 0) * perEntry > SLOW_MS;
    const few = isSlow ? FAST_ENTRIES + threads : FAST_ENTRIES;
    const { entries, requests, bytes } = this.#inFlight;
    if (entries < few) return true;
    if (this.#runMs === undefined || requests >= few * perEntry || bytes >= MAX_BYTES_IN_FLIGHT) return false;
    // The next request would not fit into the entry that could go now.
    const isFull = this.#bytesWaiting * (1 + 1 / this.length) > MAX_BYTES_PER_ENTRY;
    // Else a further entry holds as much as the few do on average, so that entries do not become many.
    return isFull || (isSlow && this.length * few >= requests);
  }

  get #requestsPerEntry(): number {
    return Math.max(1, Math.min(MAX_REQUESTS_PER_ENTRY, Math.floor(ENTRY_WORK_MS / (this.#runMs ?? 0.001))));
  }

  /** The requests of the next entry, which is in flight now. */
  take(): OutstandingRequest[] {
    const most = this.#requestsPerEntry;
    const taken: OutstandingRequest[] = [];
    let bytes = 0;
    while (taken.length < most && this.#first < this.#waiting.length) {
      const next = this.#waiting[this.#first] as OutstandingRequest;
      bytes += next.admitted.bytes;
      if (taken.length > 0 && bytes > MAX_BYTES_PER_ENTRY) break;
      taken.push(next);
      this.#first += 1;
      this.#inFlight.bytes += next.admitted.bytes;
      this.#bytesWaiting -= next.admitted.bytes;
    }
    this.#inFlight.entries += 1;
    this.#inFlight.requests += taken.length;
    if (this.#first === this.#waiting.length) {
      this.#waiting = [];
      this.#first = 0;
    } else if (this.#first > 1_024) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    return taken;
  }
}
