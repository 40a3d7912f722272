import type { BatchRecord } from '../batches/batch-record.ts';

/** Of a batch of which nothing is known yet: it needs a worker to find out, and no more than one. */
const UNKNOWN_MS = 1_000;

/** Rows of a batch that have no result yet; undefined where nobody can tell how many there are. */
export function rowsLeft(batch: BatchRecord): number | undefined {
  const { inputEnded, rowsPlanned, rowsTotal, inputShare = 0, rowsDone, rowsFailed } = batch;
  const byShare = inputShare > 0 ? rowsPlanned / inputShare : undefined;
  const total = inputEnded ? rowsPlanned : (rowsTotal ?? byShare);
  return total === undefined ? undefined : Math.max(0, total - rowsDone - rowsFailed);
}

/**
 * How long it takes, ms, to score the rest of a batch one chunk at a time, by the pace of its last ones. A batch that is being validated or put
 * together, or of which no chunk has been timed, counts for little and not for nothing: it needs a worker.
 */
export function chunkMsLeft(batch: BatchRecord): number {
  const { status, pace = 0, chunksPlanned, chunksDone } = batch;
  const rows = status === 'in_progress' && pace > 0 ? rowsLeft(batch) : undefined;
  if (rows === undefined) return UNKNOWN_MS * Math.max(1, chunksPlanned - chunksDone);
  return Math.max(UNKNOWN_MS, rows / pace);
}
