import { describePosition } from '../frontend/position.ts';
import type { Position } from '../frontend/ast.ts';
import { modelError } from '../torchscript-error.ts';

/** One unsupported use of an operator, at one place of the model's code. */
export interface UnsupportedUse {
  /** The operator's name in the code: `aten::stft`. */
  readonly op: string;
  readonly reason: string;
  readonly hint: string;
  readonly at: Position;
}

/** All unsupported uses of one operator for one reason, as shown to people. */
export interface UnsupportedOp {
  readonly op: string;
  /** Number of places in the code. */
  readonly count: number;
  readonly reason: string;
  readonly hint: string;
  /** The first places, as `describePosition` gives them: file, line, and the line in the author's own source if known. */
  readonly places: readonly string[];
}

const MAX_PLACES = 5;

/** Collects unsupported uses, so that one error reports all of them. */
export class UnsupportedReport {
  #uses: ReadonlyMap<string, UnsupportedUse> = new Map();

  add(use: UnsupportedUse): void {
    const key = `${use.op}|${use.reason}|${use.at.source.path}|${use.at.offset}`;
    if (!this.#uses.has(key)) this.#uses = new Map([...this.#uses, [key, use]]);
  }

  /** The uses so far, for {@link UnsupportedReport.restore}. */
  get uses(): ReadonlyMap<string, UnsupportedUse> {
    return this.#uses;
  }

  /** Forgets the uses that were added since `uses` was read: they come from code that will be executed again. */
  restore(uses: ReadonlyMap<string, UnsupportedUse>): void {
    this.#uses = uses;
  }

  get isEmpty(): boolean {
    return this.#uses.size === 0;
  }

  /** The uses by operator and reason, most frequent first. */
  summary(): UnsupportedOp[] {
    const groups = new Map<string, UnsupportedUse[]>();
    for (const use of this.#uses.values()) {
      const key = `${use.op}|${use.reason}`;
      groups.set(key, [...(groups.get(key) ?? []), use]);
    }
    return [...groups.values()]
      .map((uses) => {
        const [first] = uses;
        return {
          op: first?.op ?? '',
          count: uses.length,
          reason: first?.reason ?? '',
          hint: first?.hint ?? '',
          places: uses.slice(0, MAX_PLACES).map((use) => describePosition(use.at)),
        };
      })
      .sort((a, b) => b.count - a.count);
  }

  /** @throws SconceError `model_invalid` that names all uses, if there are any. */
  throwIfAny(): void {
    if (this.isEmpty) return;
    const ops = this.summary();
    const lines = ops.map(
      ({ op, count, reason, hint, places }) =>
        `  ${op} (${count}×): ${reason}${hint === '' ? '' : `; ${hint}`}\n    at ${places.join('\n    at ')}`,
    );
    const names = [...new Set(ops.map(({ op }) => op))];
    throw modelError('lower', `the model uses unsupported operators: ${names.join(', ')}\n${lines.join('\n')}`, {
      unsupported: ops,
    });
  }
}
