/** What waits to be merged: `bytes` counts against the job's bound. */
export interface Coalescable {
  readonly bytes: number;
}

export interface CoalescerOptions<T> {
  /** Jobs of one key that may be on their way before the rest waits (and merges). */
  readonly maxFreshJobs: number;
  /** How long a job counts as on its way, ms: one that takes longer is being worked on, and waiting for it merges nothing more. */
  readonly freshMs: number;
  /** Jobs of one key under way in all; up to that full ones need not wait either. */
  readonly maxJobsInFlight: number;
  readonly maxRequestsPerJob: number;
  readonly maxBytesPerJob: number;
  /** Sends one job's requests off; settles when the job's slot is free again. Never rejects. */
  readonly send: (key: string, items: readonly T[]) => Promise<void>;
}

interface Line<T> {
  waiting: T[];
  inFlight: number;
  /** Those of them that count as on their way. */
  fresh: number;
  scheduled: boolean;
}

/**
 * Merges requests that wait together into one queue job.
 *
 * A line (one per model version) is *idle*, *scheduled* (a flush comes at the end of this turn of the event loop) or
 * *blocked* (as many jobs on their way as allowed; whatever arrives waits and merges, and goes when one of them has been answered or
 * is being worked on, or when it fills a job by itself). There is no time window: waiting
 * for company only costs latency, and under load the company comes by itself (measured).
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
      line = { waiting: [], inFlight: 0, fresh: 0, scheduled: false };
      this.#lines.set(key, line);
    }
    line.waiting.push(item);
    this.#schedule(key, line);
  }

  /** Takes back what has not been sent. False where it is on its way already. */
  remove(key: string, item: T): boolean {
    const line = this.#lines.get(key);
    const index = line?.waiting.indexOf(item) ?? -1;
    if (line === undefined || index < 0) return false;
    line.waiting.splice(index, 1);
    return true;
  }

  #schedule(key: string, line: Line<T>): void {
    if (line.scheduled || !this.#mayGo(line)) return;
    line.scheduled = true;
    setImmediate(() => {
      line.scheduled = false;
      this.#flush(key, line);
    });
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
        else if (line.inFlight === 0 && !line.scheduled) this.#lines.delete(key);
      });
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

/** How many of those that wait go into the next job. */
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
