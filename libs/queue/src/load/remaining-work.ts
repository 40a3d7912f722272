import type { BatchRecord } from '../batches/batch-record.ts';

/** Work that a batch counts for while nothing is known of it: it needs one worker, which finds out. */
const UNKNOWN_MS = 1_000;

/** Rows of a batch that have no result yet; undefined while the number of its rows is unknown. */
export function rowsLeft(batch: BatchRecord): number | undefined {
  const { inputEnded, rowsPlanned, rowsTotal, inputShare = 0, rowsDone, rowsFailed } = batch;
  const byShare = inputShare > 0 ? rowsPlanned / inputShare : undefined;
  const total = inputEnded ? rowsPlanned : (rowsTotal ?? byShare);
  return total === undefined ? undefined : Math.max(0, total - rowsDone - rowsFailed);
}

/**
 * Time, ms, to score the rest of a batch one chunk at a time, by the pace of its last chunks. A batch that is validated or
 * finalized, or has no timed chunk yet, still counts for a little, because it needs a worker.
 */
export function msLeft(batch: BatchRecord): number {
  const { status, pace = 0, chunksPlanned, chunksDone } = batch;
  const rows = status === 'in_progress' && pace > 0 ? rowsLeft(batch) : undefined;
  if (rows === undefined) return UNKNOWN_MS * Math.max(1, chunksPlanned - chunksDone);
  return Math.max(UNKNOWN_MS, rows / pace);
}
