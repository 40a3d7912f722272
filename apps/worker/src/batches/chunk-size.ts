import type { ChunkSize } from '@sconce/datasets';
import type { BatchRecord } from '@sconce/queue';
import type { ScoringPlan } from './scoring-plan.ts';

/** How long a chunk should take: long against what a chunk costs beside its rows, short against the wait for others. */
const TARGET_MS = 3_000;
/** Of the first chunks, whose pace is a guess: what a run takes may depend on what is in it. */
const FIRST_MS = 1_000;
const FIRST_BLOCKS = 1;
const MAX_BYTES = 64 * 1024 ** 2;
const MIN_BYTES = 64 * 1024;
/** Chunks of a batch: each leaves some hundred bytes in Redis until the batch is forgotten. */
const MAX_CHUNKS = 40_000;

const MIN_WINDOW = 2;
/** Chunks that wait for workers who are not there yet, however few are: enough for four of two threads, which may be added at a time. */
const LEAST_AHEAD = 8;

/**
 * Chunks of a batch that may be in the queue at once: those that the pool scores, and twice as many that wait. They are what says that
 * there is work for more workers, and what those find when they come; whatever scales the pool sees no further than the queue. Until a
 * chunk has been timed only one waits: of chunks of a guessed size nobody knows how much work they are.
 */
export function chunkWindow({ pace }: Pick<BatchRecord, 'pace'>, slots: number): number {
  const ahead = pace === undefined ? 1 : Math.max(LEAST_AHEAD, 2 * slots);
  return Math.max(MIN_WINDOW, slots + ahead);
}

/**
 * A chunk's place among all of the pool: by its batch's priority; within that, as many of each batch as the pool scores at once, and one more,
 * go before what only waits to be seen. So a batch that comes does not wait for the whole window of one that is there, and from then on
 * they take turns.
 *
 * @param at.ahead chunks of the batch that are in the queue before it.
 */
export function chunkPriority(
  { spec }: { readonly spec: Pick<BatchRecord['spec'], 'priority'> },
  { ahead, slots }: { readonly ahead: number; readonly slots: number },
): number {
  return 2 * spec.priority + (ahead <= slots ? 0 : 1);
}

/** What is known beside the record. */
export interface PaceKnowledge {
  /** Rows per ms that one thread ran when the model was registered. */
  readonly measuredPace?: number;
  /** Chunks that the pool scores at once. */
  readonly slots: number;
}

/**
 * How large the next chunk should be: as many rows as take some seconds at the pace of the last ones, fewer where that would leave
 * workers idle at the end, more where there would be too many chunks.
 */
export function chunkSize(record: BatchRecord, plan: ScoringPlan, known: PaceKnowledge): ChunkSize {
  const { blockRows } = plan;
  const guess = Math.min((known.measuredPace ?? 0) * FIRST_MS, FIRST_BLOCKS * blockRows);
  const byPace = record.pace === undefined ? guess : record.pace * TARGET_MS;
  const slots = Math.max(1, known.slots);
  const { sizeBytes } = plan.dataset;
  const done = record.cursor?.offset ?? 0;
  const isText = plan.format === 'csv' || plan.format === 'jsonl';
  const leftBytes = isText ? Math.max(0, sizeBytes - done) : sizeBytes;
  // Two rounds at least over all workers, so that none is left with a large one at the end.
  const shareBytes = Math.max(MIN_BYTES, Math.ceil(leftBytes / (2 * slots)));
  const leastBytes = Math.ceil(sizeBytes / MAX_CHUNKS);
  const leftRows = record.rowsTotal === undefined ? undefined : record.rowsTotal - record.rowsPlanned;
  const share = leftRows === undefined ? Infinity : Math.ceil(leftRows / (2 * slots));
  const least = leastRows(record, leastBytes);
  const rows = Math.max(least, Math.min(byPace, share), blockRows);
  return {
    rows: Math.ceil(rows / blockRows) * blockRows,
    multipleOf: blockRows,
    maxBytes: Math.max(leastBytes, isText ? Math.min(MAX_BYTES, shareBytes) : MAX_BYTES),
  };
}

function leastRows(record: BatchRecord, leastBytes: number): number {
  if (record.rowsTotal !== undefined) return Math.ceil(record.rowsTotal / MAX_CHUNKS);
  if (record.cursor === undefined || record.cursor.offset === 0) return 0;
  return Math.ceil((leastBytes * record.cursor.row) / record.cursor.offset);
}
