import { SconceError } from '@sconce/errors';

/**
 * Counts who may still read the memory of large bytes, so that it is freed at once and not by the garbage collector (ADR 32).
 *
 * States: *used* (by the user that made this, and by each `begin`) → *freed*, when the last user has called `end`. `keep` ends the counting:
 * somebody may read the memory who cannot say when that ends. Then the garbage collector frees it.
 */
export class MemoryUse {
  readonly #free: () => void;
  #users = 1;
  #isKept = false;

  /** @param free frees the memory; called at most once. */
  constructor(free: () => void) {
    this.#free = free;
  }

  /** One user more. @throws SconceError `internal` when the memory has been freed. */
  begin(): void {
    if (this.#users === 0 && !this.#isKept) throw new SconceError('internal', 'Memory is used that has been freed.');
    this.#users += 1;
  }

  /** A user does not read the memory any more. */
  end(): void {
    this.#users -= 1;
    if (this.#users === 0 && !this.#isKept) this.#free();
  }

  /** Never frees the memory, also when all users have ended. */
  keep(): void {
    this.#isKept = true;
  }
}
