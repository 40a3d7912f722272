import type { ChunkSize } from '@sconce/datasets';
import type { BatchRecord } from '@sconce/queue';
import type { ScoringPlan } from './scoring-plan.ts';

/** How long a chunk should take, ms: long compared with the fixed cost of a chunk, and short for chunks of other batches that wait. */
const TARGET_MS = 3_000;
/** The same for the first chunks. Their pace is a guess, since the time of a run may depend on its rows. */
const FIRST_MS = 1_000;
const FIRST_BLOCKS = 1;
const MAX_BYTES = 64 * 1024 ** 2;
const MIN_BYTES = 64 * 1024;
/** Most chunks of a batch. Each takes a few hundred bytes in Redis until the batch is removed. */
const MAX_CHUNKS = 40_000;

const MIN_WINDOW = 2;
/** Fewest chunks that wait: enough for four new workers with two threads, which may be started at the same time. */
const LEAST_AHEAD = 8;

/**
 * Most chunks of a batch in the queue at one time: the chunks that the pool scores, and twice as many that wait. The waiting chunks show
 * that there is work for more workers, and new workers find them. The autoscaler sees only the queue. Until the first chunk has been
 * timed only one chunk waits, because the work in a chunk of a guessed size is not known.
 */
export function chunkWindow({ pace }: Pick<BatchRecord, 'pace'>, slots: number): number {
  const ahead = pace === undefined ? 1 : Math.max(LEAST_AHEAD, 2 * slots);
  return Math.max(MIN_WINDOW, slots + ahead);
}

/**
 * The priority of a chunk among all chunks of the pool. The batch's priority decides first. Within it, each batch's first chunks (as many
 * as the pool scores at once, and one more) come before all others. So a new batch does not wait for the whole window of an older batch,
 * and the two take turns from then on.
 *
 * @param at.ahead chunks of the same batch that are in the queue before this one.
 */
export function chunkPriority(
  { spec }: { readonly spec: Pick<BatchRecord['spec'], 'priority'> },
  { ahead, slots }: { readonly ahead: number; readonly slots: number },
): number {
  return 2 * spec.priority + (ahead <= slots ? 0 : 1);
}

/** Facts for the chunk size that are not in the batch's record. */
export interface PaceKnowledge {
  /** Rows per ms that one thread ran when the model was registered. */
  readonly measuredPace?: number | undefined;
  /** Chunks that the pool scores at once. */
  readonly slots: number;
}

/**
 * The size of the next chunk: the rows that take some seconds at the pace of the last chunks. It is smaller if workers would be idle at the
 * end of the batch, and larger if the batch would have too many chunks.
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
  // At least two chunks for each slot, so that no worker has a large chunk alone at the end.
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

/**
 * The size and the number of the next chunks when only `rest` more rows are to be scored. The last of them ends exactly there.
 */
export function limitedChunks(size: ChunkSize, count: number, rest: number): { size: ChunkSize; count: number } {
  if (rest > size.rows) return { size, count: Math.min(count, Math.floor(rest / size.rows)) };
  return { size: { rows: rest, multipleOf: 1, maxBytes: Number.MAX_SAFE_INTEGER }, count: 1 };
}
