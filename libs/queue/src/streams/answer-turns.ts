/**
 * Answers that are handed on in one turn of the event loop. With each one, an answer is encoded and written and mostly the next request
 * of the same connection is read: some 60 µs together.
 */
const ANSWERS_PER_TURN = 16;

export interface AnswerTurnsOptions<Answer> {
  /** Whose answer it is. */
  readonly ownerOf: (answer: Answer) => string;
  readonly handOn: (answer: Answer) => void;
}

/**
 * Spreads many answers over turns of the event loop, and lets their owners take turns. So a request of one owner does not wait until
 * a hundred answers of another are written, and its own answer does not wait behind them.
 *
 * States: *empty* (few answers are handed on at once) ⇄ *waiting* (some answers are handed on in each turn of the event loop).
 */
export class AnswerTurns<Answer> {
  readonly #options: AnswerTurnsOptions<Answer>;
  /** Answers that wait, by owner, last one first. The owner whose turn is next comes first. */
  readonly #waiting = new Map<string, Answer[]>();

  constructor(options: AnswerTurnsOptions<Answer>) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Takes answers that have come together. */
  add(answers: readonly Answer[]): void {
    const { ownerOf, handOn } = this.#options;
    const { isEmpty } = this;
    if (isEmpty && answers.length <= ANSWERS_PER_TURN) {
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
    if (isEmpty) this.#takeTurn();
  }

  /** Hands on everything that waits. */
  flush(): void {
    while (!this.isEmpty) this.#handOn(ANSWERS_PER_TURN);
  }

  readonly #takeTurn = (): void => {
    this.#handOn(ANSWERS_PER_TURN);
    if (!this.isEmpty) setImmediate(this.#takeTurn);
  };

  #handOn(most: number): void {
    for (let left = most; left > 0; left--) {
      const next = this.#waiting.entries().next().value;
      if (next === undefined) return;
      const [owner, own] = next;
      const answer = own.pop() as Answer;
      // Behind the other owners.
      this.#waiting.delete(owner);
      if (own.length > 0) this.#waiting.set(owner, own);
      this.#options.handOn(answer);
    }
  }
}
