/** An item to merge. `bytes` counts against the bound of a job. */
export interface Coalescable {
  readonly bytes: number;
}

export interface CoalescerOptions<T> {
  /** Jobs of one line that may be on their way before other items wait and merge. */
  readonly maxFreshJobs: number;
  /** How long a job counts as on its way, ms. A job that takes longer is being run, and waiting for it merges nothing more. */
  readonly freshMs: number;
  /** Jobs of one line in flight in all. Up to this number, full jobs do not wait. */
  readonly maxJobsInFlight: number;
  readonly maxRequestsPerJob: number;
  readonly maxBytesPerJob: number;
  /** Sends the items of one job. Resolves when the job has been answered. Never rejects. */
  readonly send: (key: string, items: readonly T[]) => Promise<void>;
}

/** When answers of a line wait long for a thread, its requests are held back for this share of that wait, within bounds in ms. */
const HOLD_SHARE = 1 / 8;
const LEAST_HOLD_MS = 5;
const MOST_HOLD_MS = 50;

interface Line<T> {
  waiting: T[];
  inFlight: number;
  /** Jobs in flight that count as on their way. */
  fresh: number;
  /** The next flush, and whether it is held back so that more requests can join. */
  flush: { readonly isHeld: boolean; readonly cancel: () => void } | undefined;
  /** How long the last answers waited in the queue and for a thread, ms. */
  waitMs: number;
}

/**
 * Merges requests that wait together into one queue job.
 *
 * A request line (one per model version) is *idle*, *scheduled* (a flush comes at the end of this turn of the event loop), *held* (the
 * flush comes a little later) or *blocked* (as many jobs are on their way as may be). Requests of a blocked line wait and merge. They go
 * when one of those jobs has been answered or is being run, or when they fill a job by themselves.
 *
 * While threads are free there is no time window: waiting for more requests only costs latency, and under load requests meet by
 * themselves (measured). When answers wait for a thread anyway, requests are held back for a small part of that wait, because a job
 * costs the machine more than a request does.
 */
export class RequestCoalescer<T extends Coalescable> {
  readonly #options: CoalescerOptions<T>;
  readonly #lines = new Map<string, Line<T>>();

  constructor(options: CoalescerOptions<T>) {
    this.#options = options;
  }

  add(key: string, item: T): void {
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = { waiting: [], inFlight: 0, fresh: 0, flush: undefined, waitMs: 0 };
      this.#lines.set(key, line);
    }
    line.waiting.push(item);
    this.#schedule(key, line);
  }

  /** Removes an item that has not been sent. Returns false when it has been sent already. */
  remove(key: string, item: T): boolean {
    const line = this.#lines.get(key);
    const index = line?.waiting.indexOf(item) ?? -1;
    if (line === undefined || index < 0) return false;
    line.waiting.splice(index, 1);
    return true;
  }

  /** An answer has come. @param waitMs how long its request waited before it was run. */
  noteWait(key: string, waitMs: number): void {
    const line = this.#lines.get(key);
    if (line !== undefined) line.waitMs = (line.waitMs + waitMs) / 2;
  }

  #schedule(key: string, line: Line<T>): void {
    const holdMs = this.#holdMs(line);
    if (line.flush !== undefined && (holdMs > 0 || !line.flush.isHeld)) return;
    if (!this.#mayGo(line)) return;
    line.flush?.cancel();
    const flush = (): void => {
      line.flush = undefined;
      this.#flush(key, line);
    };
    if (holdMs > 0) {
      const timer = setTimeout(flush, holdMs);
      line.flush = { isHeld: true, cancel: () => clearTimeout(timer) };
    } else {
      const immediate = setImmediate(flush);
      line.flush = { isHeld: false, cancel: () => clearImmediate(immediate) };
    }
  }

  /** How long the next flush may be held back: not at all when no job is in flight, or a job is full. */
  #holdMs({ waiting, inFlight, waitMs }: Line<T>): number {
    const holdMs = waitMs * HOLD_SHARE;
    if (inFlight === 0 || holdMs < LEAST_HOLD_MS || countOf(waiting, this.#options) < waiting.length) return 0;
    return Math.min(MOST_HOLD_MS, holdMs);
  }

  #flush(key: string, line: Line<T>): void {
    while (line.waiting.length > 0 && this.#mayGo(line)) {
      const items = take(line.waiting, this.#options);
      line.inFlight += 1;
      line.fresh += 1;
      let isFresh = true;
      const age = (): void => {
        if (isFresh) line.fresh -= 1;
        isFresh = false;
      };
      const timer = setTimeout(() => {
        age();
        if (line.waiting.length > 0) this.#schedule(key, line);
      }, this.#options.freshMs);
      void this.#options.send(key, items).then(() => {
        clearTimeout(timer);
        age();
        line.inFlight -= 1;
        if (line.waiting.length > 0) this.#schedule(key, line);
        else if (line.inFlight === 0 && line.flush === undefined) this.#lines.delete(key);
      });
      if (line.waiting.length > 0 && this.#holdMs(line) > 0) {
        this.#schedule(key, line);
        return;
      }
    }
    if (line.waiting.length === 0 && line.inFlight === 0) this.#lines.delete(key);
  }

  #mayGo({ waiting, inFlight, fresh }: Line<T>): boolean {
    if (inFlight >= this.#options.maxJobsInFlight) return false;
    return fresh < this.#options.maxFreshJobs || countOf(waiting, this.#options) < waiting.length;
  }
}

interface JobBounds {
  readonly maxRequestsPerJob: number;
  readonly maxBytesPerJob: number;
}

function take<T extends Coalescable>(waiting: T[], bounds: JobBounds): T[] {
  return waiting.splice(0, countOf(waiting, bounds));
}

/** How many of the waiting items go into the next job. */
function countOf(waiting: readonly Coalescable[], { maxRequestsPerJob, maxBytesPerJob }: JobBounds): number {
  let bytes = 0;
  let count = 0;
  for (const item of waiting) {
    bytes += item.bytes;
    if (count > 0 && (count >= maxRequestsPerJob || bytes > maxBytesPerJob)) break;
    count += 1;
  }
  return count;
}
