import { seeded } from '../../../support/seeded.ts';

/** Draws choices from a seed. The same seed gives the same choices in the same order. */
export class Draw {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  /** A generator of its own, so that what one part draws does not change what another part draws. */
  fork(): Draw {
    return new Draw(this.between(0, 2 ** 31));
  }

  /** A whole number from `min` to `max`. */
  between(min: number, max: number): number {
    return min + Math.floor(this.#random() * (max - min + 1));
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  /** One of `choices`, which must not be empty. */
  pick<T>(choices: readonly T[]): T {
    const chosen = choices[this.between(0, choices.length - 1)];
    if (chosen === undefined) throw new Error('there is nothing to choose from');
    return chosen;
  }

  /** Times between `from` and `until` with pauses of `everyMs` on average, at least a third of it. */
  times(from: number, until: number, everyMs: number): number[] {
    const times: number[] = [];
    const pause = (): number => this.between(Math.round(everyMs / 3), Math.round((everyMs * 5) / 3));
    for (let at = from + pause(); at < until; at += pause()) times.push(at);
    return times;
  }
}
