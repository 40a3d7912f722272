import type { MeasuredRun } from './batch-request.ts';

/** Weight of the newest run: the last dozen count. */
const ALPHA = 0.15;
const DOUBT = 0.9;
/** One run cannot move an estimate further than this: a page fault or a stolen core says nothing of the next run. */
const MAX_STEP = 4;

/**
 * How long a run of so many rows takes on this machine as it is now: measured at registration, corrected by every run.
 * Kept per power of two of rows; numbers of rows that never ran are taken from their neighbours.
 */
export class RunTimeEstimate {
  /** ms, by ⌈log2 rows⌉. */
  readonly #classes: (number | undefined)[] = [];

  constructor(measured: readonly MeasuredRun[] = []) {
    for (const { rows, latencyMs } of measured) this.#classes[classOf(rows)] = latencyMs;
  }

  /** ms; 0 where nothing is known. */
  of(rows: number): number {
    const own = classOf(rows);
    const exact = this.#classes[own];
    if (exact !== undefined) return exact;
    for (let distance = 1; distance <= this.#classes.length + own; distance++) {
      const [less, more] = [this.#classes[own - distance], this.#classes[own + distance]];
      // Rows may be cheaper together, never dearer: more rows take at most so many times as long.
      if (less !== undefined) return less * 2 ** distance;
      if (more !== undefined) return more;
    }
    return 0;
  }

  /**
   * A run was refused for what it was expected to take. An expectation that is too high would never be put right, since nothing
   * runs: each refusal lowers it, until one is tried.
   */
  doubt(rows: number): void {
    this.#classes[classOf(rows)] = this.of(rows) * DOUBT;
  }

  record(rows: number, ms: number): void {
    const own = classOf(rows);
    const before = this.#classes[own];
    this.#classes[own] = before === undefined ? ms : before + ALPHA * (Math.min(ms, before * MAX_STEP + 1) - before);
  }
}

function classOf(rows: number): number {
  return Math.max(0, Math.ceil(Math.log2(Math.max(1, rows))));
}
