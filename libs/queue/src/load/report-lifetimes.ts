import type { Lane } from '@sconce/contracts';

/** Queue jobs of requests that a worker finished per second of the time in which it had any, by lane. */
export type LaneRates = Partial<Record<Lane, number>>;

/** What a worker writes about itself every few seconds. */
export interface WorkerReport {
  readonly v: 1;
  /** Epoch ms at which it was written. */
  readonly atMs: number;
  readonly rates: LaneRates;
  /** Chunks that the worker scores at once. */
  readonly slots?: number;
  /** True in the report that a worker leaves when it stops. */
  readonly gone?: boolean;
}

/** A worker whose last report is older counts as gone. */
export const REPORT_FRESH_MS = 20_000;
/** How long the reports of a pool are kept: they tell how fast its next workers will be. */
export const REPORTS_TTL_SECONDS = 86_400;
/** The id under which the last worker that stopped leaves its report. Workers that come and go leave one report in all. */
export const LAST_REPORT_ID = 'last';
