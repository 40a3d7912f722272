export interface RegularLookOptions {
  readonly everyMs: number;
  /** Whether a look is possible now. A look that is not is left out. */
  readonly isReady: () => boolean;
  readonly look: () => Promise<void>;
  /** Called with the error of a look. The next look comes at its time. */
  readonly onError: (error: Error) => void;
}

/**
 * Repeats a look, one at a time.
 *
 * States: *stopped* → `start` → *looking* → `stop` (a look that has begun goes on) → *stopped*.
 */
export class RegularLook {
  readonly #options: RegularLookOptions;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;

  constructor(options: RegularLookOptions) {
    this.#options = options;
  }

  get isStopped(): boolean {
    return this.#timer === undefined;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#once(), this.#options.everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #once(): Promise<void> {
    const { isReady, look, onError } = this.#options;
    if (this.#isLooking || !isReady()) return;
    this.#isLooking = true;
    await look().catch(onError);
    this.#isLooking = false;
  }
}
