import type { MeasuredRun } from './batch-request.ts';

/** Weight of the newest run. About the last twelve runs count. */
const ALPHA = 0.15;
const LOWER_BY = 0.9;
/** One run changes an estimate by this factor at most: a page fault or a core that was taken away does not predict the next run. */
const MAX_STEP = 4;

/**
 * Estimates how long a run takes on this machine by its number of rows. It starts with the times measured at registration, and every run
 * corrects it. There is one estimate per power of two of rows; numbers of rows that never ran use the nearest estimate.
 */
export class RunTimeEstimate {
  /** ms, by ⌈log2 rows⌉. */
  readonly #classes: (number | undefined)[] = [];

  constructor(measured: readonly MeasuredRun[] = []) {
    for (const { rows, latencyMs } of measured) this.#classes[classOf(rows)] = latencyMs;
  }

  /** ms; 0 if nothing is known. */
  of(rows: number): number {
    const own = classOf(rows);
    const exact = this.#classes[own];
    if (exact !== undefined) return exact;
    for (let distance = 1; distance <= this.#classes.length + own; distance++) {
      const [less, more] = [this.#classes[own - distance], this.#classes[own + distance]];
      // Twice as many rows take at most twice as long.
      if (less !== undefined) return less * 2 ** distance;
      if (more !== undefined) return more;
    }
    return 0;
  }

  /**
   * Lowers the estimate after a run was refused because of it. An estimate that is too high would never be corrected, since nothing
   * runs. Each refusal lowers it until a run is tried.
   */
  lower(rows: number): void {
    this.#classes[classOf(rows)] = this.of(rows) * LOWER_BY;
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
