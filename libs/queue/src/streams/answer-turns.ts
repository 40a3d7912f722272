/** Answers that come together and are handed on without taking turns. */
const FEW_ANSWERS = 16;
/** For how long answers are handed on in a turn of the event loop, ms. */
const MIN_TURN_MS = 1;
/** More time is given after long turns: this part of the time since answers were handed on last. A larger part would make all turns long. */
const PART_OF_TIME = 0.25;

export interface AnswerTurnsOptions<Answer> {
  /** Whose answer it is. */
  readonly ownerOf: (answer: Answer) => string;
  readonly handOn: (answer: Answer) => void;
  /** Milliseconds of a monotonic clock. Default `performance.now`. */
  readonly now?: () => number;
}

/**
 * Spreads many answers over turns of the event loop, and lets their owners take turns. So a request of one owner does not wait until
 * a hundred answers of another are written, and its own answer does not wait behind them. Answers always have a part of the time, so
 * reading thousands of requests does not hold them up.
 *
 * States: *empty* (few answers are handed on at once) ⇄ *waiting* (some answers are handed on in each turn of the event loop).
 */
export class AnswerTurns<Answer> {
  readonly #options: AnswerTurnsOptions<Answer>;
  /** Answers that wait, by owner, last one first. The owner whose turn is next comes first. */
  readonly #waiting = new Map<string, Answer[]>();
  readonly #now: () => number;
  /** When answers were last handed on in turns. */
  #endedAtMs = 0;

  constructor(options: AnswerTurnsOptions<Answer>) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Takes answers that have come together. */
  add(answers: readonly Answer[]): void {
    const { ownerOf, handOn } = this.#options;
    const { isEmpty } = this;
    if (isEmpty && answers.length <= FEW_ANSWERS) {
      for (const answer of answers) handOn(answer);
      return;
    }
    const fresh = new Map<string, Answer[]>();
    for (const answer of answers) {
      const owner = ownerOf(answer);
      const own = fresh.get(owner);
      if (own === undefined) fresh.set(owner, [answer]);
      else own.push(answer);
    }
    for (const [owner, own] of fresh) {
      this.#waiting.set(owner, [...own.reverse(), ...(this.#waiting.get(owner) ?? [])]);
    }
    if (!isEmpty) return;
    this.#takeTurn();
  }

  /** Hands on everything that waits. */
  flush(): void {
    this.#handOnFor(Infinity);
  }

  readonly #takeTurn = (): void => {
    this.#handOnFor(Math.max(MIN_TURN_MS, PART_OF_TIME * (this.#now() - this.#endedAtMs)));
    if (!this.isEmpty) setImmediate(this.#takeTurn);
  };

  #handOnFor(ms: number): void {
    const untilMs = this.#now() + ms;
    do {
      const next = this.#waiting.entries().next().value;
      if (next === undefined) break;
      const [owner, own] = next;
      const answer = own.pop() as Answer;
      // Behind the other owners.
      this.#waiting.delete(owner);
      if (own.length > 0) this.#waiting.set(owner, own);
      this.#options.handOn(answer);
    } while (this.#now() < untilMs);
    this.#endedAtMs = this.#now();
  }
}
