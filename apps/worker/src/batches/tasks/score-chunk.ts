import type { ChunkPart } from '@sconce/contracts';
import type { RowBlock } from '@sconce/datasets';
import { ERROR_POLICY, toSconceError } from '@sconce/errors';
import type { ChunkTimes, DatasetTasks, ScoreTask } from '../dataset-protocol.ts';
import { ErrorLines } from './error-lines.ts';
import { openPinned } from './open-pinned.ts';
import { requestScoring } from './request-scoring.ts';
import { tableScoring } from './table-scoring.ts';
import type { TaskContext } from './task-context.ts';

/** Bytes of inputs that are read before the results of earlier blocks are written. */
const AHEAD_BYTES = 8 * 1024 ** 2;
const MAX_BLOCKS_AHEAD = 6;
const MIN_BLOCKS_AHEAD = 2;
const MAX_PART_BYTES = 2 ** 40;
/** Rows of a chunk that is given up whose lines are made in one step. */
const GIVEN_UP_AT_ONCE = 1_000;

/** One way to score rows: for a table, or for request lines. */
export interface Scoring {
  /** Columns to read. */
  readonly columns: readonly string[];
  /** The columns that are best read as numbers. */
  readonly numbers?: readonly string[] | undefined;
  /** Runs the rows of a block. */
  begin(block: RowBlock, context: TaskContext): Promise<ScoredBlock>;
  /** The bytes after the last block, and the trailer. */
  end(): { readonly body: readonly Uint8Array[]; readonly trailer: Uint8Array };
  /** Whether the lines for rows that are given up name more than the rows' numbers, so that the rows have to be read. */
  readonly identifiesRows: boolean;
  /** The lines of the error file for rows that are given up. `block` is absent if they could not be read. */
  giveUp(rows: GivenUpRows): readonly string[];
}

/** Consecutive rows of a chunk that is given up. */
export interface GivenUpRows {
  readonly firstRow: number;
  readonly rows: number;
  readonly block?: RowBlock;
}

/** A block that has run. */
export interface ScoredBlock {
  readonly rows: number;
  readonly failed: number;
  /** Bytes of its inputs. */
  readonly inputBytes: number;
  /** Encodes the results. To be called in the order of the blocks. */
  write(): { readonly body: readonly Uint8Array[]; readonly errors: readonly string[] };
  /** To be called after the bytes of `write` were written: they may share the memory of the results. */
  free(): void;
}

/**
 * Scores a chunk: reads it block by block, runs a few blocks at a time, and writes results and errors in the order of the rows, to blobs
 * of this delivery. They become the chunk's results when the batch's record counts them.
 */
export async function scoreChunk(task: ScoreTask, context: TaskContext): Promise<DatasetTasks['score']['reply']> {
  const { plan, index, range, batchId, attempt } = task;
  const { store, signal } = context;
  const scoring = plan.kind === 'table' ? await tableScoring(task) : requestScoring(task);
  const name = `batches/${batchId}/parts/${String(index).padStart(8, '0')}-${attempt}`;
  const errors = new ErrorLines((body) => store.put(`${name}.err`, body, { maxBytes: MAX_PART_BYTES }));
  let rows = 0;
  let failed = 0;
  let bytes = 0;
  let trailer = 0;
  const clock = new ChunkClock();
  const { columns, numbers } = scoring;
  const readOptions = { range, columns, numbers, blockRows: plan.blockRows };

  async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
    await using reader = await openPinned(plan, context);
    const blocks = reader.read(readOptions);
    for await (const block of runInOrder(blocks, (own) => scoring.begin(own, context), { signal, clock })) {
      clock.enter('writeMs');
      const { body: pieces, errors: lines } = block.write();
      rows += block.rows;
      failed += block.failed;
      await errors.write(lines);
      for (const piece of pieces) {
        bytes += piece.byteLength;
        if (piece.byteLength > 0) yield piece;
      }
      block.free();
    }
    const end = scoring.end();
    for (const piece of end.body) {
      bytes += piece.byteLength;
      yield piece;
    }
    trailer = end.trailer.byteLength;
    if (trailer > 0) yield end.trailer;
  }

  /** Rows whose numbers are enough are not read, and rows that cannot be read get a line all the same. */
  async function giveUp(): Promise<number> {
    let done = 0;
    try {
      // Rows that could not be read are not tried again.
      if (scoring.identifiesRows && task.giveUp?.code !== 'invalid_dataset') {
        await using reader = await openPinned(plan, context);
        for await (const block of reader.read(readOptions)) {
          signal.throwIfAborted();
          await errors.write(scoring.giveUp({ firstRow: block.firstRow, rows: block.rows, block }));
          done += block.rows;
        }
      }
    } catch (thrown) {
      if (signal.aborted || ERROR_POLICY[toSconceError(thrown).code].retry === 'backoff') throw thrown;
    }
    while (done < range.rows) {
      signal.throwIfAborted();
      const count = Math.min(GIVEN_UP_AT_ONCE, range.rows - done);
      await errors.write(scoring.giveUp({ firstRow: range.firstRow + done, rows: count }));
      done += count;
    }
    return done;
  }

  try {
    if (task.giveUp === undefined) {
      await store.put(`${name}.out`, body(), { maxBytes: MAX_PART_BYTES, signal });
    } else {
      failed = await giveUp();
    }
    const errorBytes = await errors.end();
    if (rows + failed !== range.rows) throw new Error(`A chunk of ${range.rows} rows gave ${rows + failed} results`);
    const part: ChunkPart = {
      index,
      rows,
      failed,
      output: rows > 0 ? { key: `${name}.out`, bytes, trailer } : undefined,
      errors: errorBytes > 0 ? { key: `${name}.err`, bytes: errorBytes } : undefined,
      unreadable: task.giveUp?.code === 'invalid_dataset' ? task.giveUp.message : undefined,
    };
    if (rows === 0 && task.giveUp === undefined) await store.delete(`${name}.out`);
    return { part, times: clock.times() };
  } catch (error) {
    await errors.abandon(error);
    throw error;
  }
}

/** Runs several blocks at a time, within bounds, and yields them in order. An error of a block is thrown in its turn. */
async function* runInOrder(
  blocks: AsyncIterable<RowBlock>,
  begin: (block: RowBlock) => Promise<ScoredBlock>,
  { signal, clock }: { readonly signal: AbortSignal; readonly clock: ChunkClock },
): AsyncGenerator<ScoredBlock, void, undefined> {
  const iterator = blocks[Symbol.asyncIterator]();
  const begun: Promise<ScoredBlock>[] = [];
  let ahead = MIN_BLOCKS_AHEAD;
  let ended = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      clock.enter('readMs');
      while (!ended && begun.length < ahead) {
        const step = await iterator.next();
        if (step.done === true) {
          ended = true;
          break;
        }
        const block = begin(step.value);
        // Its error is thrown in its turn. Until then it must not count as unhandled.
        block.catch(() => undefined);
        begun.push(block);
      }
      clock.enter('waitMs');
      const next = await begun.shift();
      if (next === undefined) return;
      const fits = Math.floor(AHEAD_BYTES / Math.max(1, next.inputBytes));
      ahead = Math.max(MIN_BLOCKS_AHEAD, Math.min(MAX_BLOCKS_AHEAD, fits));
      yield next;
    }
  } finally {
    await Promise.allSettled(begun);
    await iterator.return?.();
  }
}

/** Measures the time in each stage. */
class ChunkClock {
  readonly #times = { readMs: 0, waitMs: 0, writeMs: 0 };
  #stage: keyof ChunkTimes = 'readMs';
  #sinceMs = performance.now();

  enter(stage: keyof ChunkTimes): void {
    const nowMs = performance.now();
    this.#times[this.#stage] += nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    this.#stage = stage;
  }

  times(): ChunkTimes {
    this.enter('writeMs');
    return { ...this.#times };
  }
}
