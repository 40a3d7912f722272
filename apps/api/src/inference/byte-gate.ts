import { SconceError } from '@sconce/errors';

/** How long a caller waits for its turn, ms, and when a refused one should try again. */
const MAX_WAIT_MS = 10_000;
const RETRY_AFTER_SECONDS = 5;

interface Waiting {
  readonly bytes: number;
  readonly admit: () => void;
}

/** Bounds the bytes that several callers hold in memory at once. They are admitted in the order in which they come. */
export class ByteGate {
  readonly #capacity: number;
  #held = 0;
  readonly #waiting = new Set<Waiting>();

  constructor(capacityBytes: number) {
    this.#capacity = capacityBytes;
  }

  /**
   * Waits until so many bytes may be held; more than the capacity count as the capacity. Returns what ends the hold; calling it again
   * does nothing. @throws SconceError `queue_full` after ten seconds.
   */
  async enter(wanted: number, maxWaitMs = MAX_WAIT_MS): Promise<() => void> {
    const bytes = Math.min(wanted, this.#capacity);
    if (this.#waiting.size === 0 && this.#held + bytes <= this.#capacity) this.#held += bytes;
    else await this.#wait(bytes, maxWaitMs);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#held -= bytes;
      this.#admit();
    };
  }

  #wait(bytes: number, maxWaitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        const message = `Large results are being sent to other callers. Try again in ${RETRY_AFTER_SECONDS} s, or ask for binary outputs.`;
        reject(new SconceError('queue_full', message, { details: { retryAfterSeconds: RETRY_AFTER_SECONDS } }));
        this.#admit();
      }, maxWaitMs);
      const waiting: Waiting = {
        bytes,
        admit: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      this.#waiting.add(waiting);
    });
  }

  #admit(): void {
    for (const waiting of this.#waiting) {
      if (this.#held + waiting.bytes > this.#capacity) return;
      this.#waiting.delete(waiting);
      this.#held += waiting.bytes;
      waiting.admit();
    }
  }
}
