import type { OutstandingRequest } from './outstanding-request.ts';

/** Entries of a fast model that may be unanswered: while they are, the next one gathers requests. */
const FAST_ENTRIES = 2;
/** A model whose full entry takes longer needs an entry for each thread of the pool, ms. */
const SLOW_MS = 5;
/** An entry holds work of at most so long, as far as is known. */
const ENTRY_WORK_MS = 50;
const MAX_REQUESTS_PER_ENTRY = 64;
const MAX_BYTES_PER_ENTRY = 1024 ** 2;

/**
 * Requests of one model version, one priority and one owner that wait in this producer.
 *
 * Only a few entries of a line may be unanswered. So no line fills the pool's stream, and a request of another line has only few
 * requests in front of it, however many wait here.
 */
export class WaitingLine {
  readonly key: string;
  readonly pool: string;
  /** Entries in the stream or with a worker. */
  entriesInFlight = 0;
  /** Whether a flush comes at the end of this turn of the event loop. */
  isScheduled = false;
  #waiting: OutstandingRequest[] = [];
  #first = 0;
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
    return this.length === 0 && this.entriesInFlight === 0 && !this.isScheduled;
  }

  add(request: OutstandingRequest): void {
    this.#waiting.push(request);
  }

  /** Takes a waiting request out. False when it is in an entry already. */
  remove(request: OutstandingRequest): boolean {
    const index = this.#waiting.indexOf(request, this.#first);
    if (index < 0) return false;
    this.#waiting.splice(index, 1);
    return true;
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
    const isSlow = (this.#runMs ?? 0) * this.#requestsPerEntry > SLOW_MS;
    return this.length > 0 && this.entriesInFlight < (isSlow ? FAST_ENTRIES + threads : FAST_ENTRIES);
  }

  get #requestsPerEntry(): number {
    return Math.max(1, Math.min(MAX_REQUESTS_PER_ENTRY, Math.floor(ENTRY_WORK_MS / (this.#runMs ?? 0.001))));
  }

  /** The requests of the next entry. */
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
    }
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
