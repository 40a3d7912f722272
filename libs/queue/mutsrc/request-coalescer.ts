/** What waits to be merged: `bytes` counts against the job's bound. */
export interface Coalescable {
  readonly bytes: number;
}

export interface CoalescerOptions<T> {
  /** Jobs of one key that may be under way before the rest waits (and merges). */
  readonly maxJobsInFlight: number;
  readonly maxRequestsPerJob: number;
  readonly maxBytesPerJob: number;
  /** Sends one job's requests off; settles when the job's slot is free again. Never rejects. */
  readonly send: (key: string, items: readonly T[]) => Promise<void>;
}

interface Line<T> {
  waiting: T[];
  inFlight: number;
  scheduled: boolean;
}

/**
 * Merges requests that wait together into one queue job.
 *
 * A line (one per model version) is *idle*, *scheduled* (a flush comes at the end of this turn of the event loop) or
 * *blocked* (as many jobs under way as allowed; whatever arrives waits and merges). There is no time window: waiting
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
      line = { waiting: [], inFlight: 0, scheduled: false };
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
    if (line.scheduled || line.inFlight >= this.#options.maxJobsInFlight) return;
    line.scheduled = true;
    setImmediate(() => {
      line.scheduled = false;
      this.#flush(key, line);
    });
  }

  #flush(key: string, line: Line<T>): void {
    while (line.waiting.length > 0 && line.inFlight < this.#options.maxJobsInFlight) {
      const items = take(line.waiting, this.#options);
      line.inFlight += 1;
      void this.#options.send(key, items).then(() => {
        line.inFlight -= 1;
        if (line.waiting.length > 0) this.#schedule(key, line);
        else if (line.inFlight === 0 && !line.scheduled) this.#lines.delete(key);
      });
    }
    if (line.waiting.length === 0 && line.inFlight === 0) this.#lines.delete(key);
  }
}

function take<T extends Coalescable>(
  waiting: T[],
  bounds: { readonly maxRequestsPerJob: number; readonly maxBytesPerJob: number },
): T[] {
  let bytes = 0;
  let count = 0;
  for (const item of waiting) {
    bytes += item.bytes;
    if (count > 0 && (count >= bounds.maxRequestsPerJob || bytes > bounds.maxBytesPerJob)) break;
    count += 1;
  }
  return waiting.splice(0, count);
}
