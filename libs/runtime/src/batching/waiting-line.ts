import { createHash } from 'node:crypto';
import type { BatchRequest } from './batch-request.ts';
import type { Pending, Piece } from './pending.ts';

const COMPACT_FROM = 1024;

/**
 * Requests that may share runs, by priority, then by turn, then by arrival. A request's turn is the number of rows that its owner has had
 * before it, counted from the turn that is under way when the owner begins to wait. So the rows of owners alternate.
 */
export class WaitingLine {
  readonly key: string;
  /** Most rows of a run that there is memory for. */
  readonly maxRows: number;
  #waiting: Pending[] = [];
  #first = 0;
  #rows = 0;
  /** Turn of the request that was taken last. */
  #turn = 0;
  /** Owner → the turn of its next request. */
  readonly #turns = new Map<string, number>();

  constructor(key: string, maxRows = Infinity) {
    this.key = key;
    this.maxRows = maxRows;
  }

  get head(): Pending | undefined {
    return this.#waiting[this.#first];
  }

  /** Requests with rows that are not in a run. */
  get length(): number {
    return this.#waiting.length - this.#first;
  }

  /** Rows that are not in a run. */
  get rows(): number {
    return this.#rows;
  }

  add(pending: Pending): void {
    const owner = pending.request.owner ?? '';
    pending.turn = Math.max(this.#turn, this.#turns.get(owner) ?? 0);
    this.#turns.set(owner, pending.turn + Math.max(1, pending.rows));
    let at = this.#waiting.length;
    while (at > this.#first && isBefore(pending, this.#waiting[at - 1] as Pending)) at -= 1;
    this.#waiting.splice(at, 0, pending);
    this.#rows += pending.left;
  }

  /**
   * Takes the rows of the next run: at most `most`, and at least the first row of the head. A request that fits into one run is not cut
   * to fill up another. Requests for which `unwanted` is true are dropped; it settles them.
   */
  take(most: number, unwanted: (pending: Pending) => boolean): Piece[] {
    const pieces: Piece[] = [];
    let rows = 0;
    for (let head = this.head; head !== undefined; head = this.head) {
      if (unwanted(head)) {
        this.#rows -= head.left;
        this.#shift();
        continue;
      }
      const { axis, maxBatchRows } = head.request.model;
      const { left } = head;
      const fits = rows + left <= most;
      const fitsAlone = left <= Math.min(maxBatchRows, this.maxRows);
      if (pieces.length > 0 && (axis === 'none' || (!fits && fitsAlone) || rows >= most)) break;
      const piece = head.take(most - rows);
      pieces.push(piece);
      rows += piece.rows;
      this.#rows -= piece.rows;
      if (head.left > 0) break;
      this.#shift();
      if (axis === 'none') break;
    }
    return pieces;
  }

  #shift(): void {
    this.#turn = Math.max(this.#turn, this.head?.turn ?? 0);
    this.#first += 1;
    if (this.#first === this.#waiting.length) {
      this.#waiting = [];
      this.#first = 0;
    } else if (this.#first >= COMPACT_FROM && this.#first * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
  }
}

function isBefore(left: Pending, right: Pending): boolean {
  return left.priority === right.priority ? left.turn < right.turn : left.priority < right.priority;
}

let unshared = 0;

/** Requests with one key may share a run: they have the same model, the same inner shapes, and equal inputs without rows. */
export function lineKey({ model, inputs, runRows }: BatchRequest): string {
  if (runRows !== undefined) return `${model.file.key} alone ${unshared++}`;
  const parts = inputs.map((input) =>
    model.axis === 'none' || model.rowInputs.has(input.name)
      ? input.shape.slice(model.axis === 'none' ? 0 : 1).join('x')
      : `${input.shape.join('x')}=${contentKey(input.data)}`,
  );
  return `${model.file.key} ${parts.join(' ')}`;
}

/** Equal only for equal bytes. */
function contentKey(data: Uint8Array): string {
  if (data.byteLength <= 64) return Buffer.from(data).toString('base64');
  return createHash('sha256').update(data).digest('base64');
}
