import type { ModelStatus } from '@sconce/client';

/** Where the lines go. */
export interface StageOutput {
  write(text: string): void;
  /** Whether somebody watches: the stage under way is then shown, and replaced by its line when it has passed. */
  readonly watched: boolean;
}

const WIDTH = 'optimising'.length;

/** The stages of a registration, a line for each that has passed with how long it took. */
export class StageLines {
  readonly #output: StageOutput;
  #stage: { readonly name: ModelStatus; readonly sinceMs: number } | undefined;

  constructor(output: StageOutput) {
    this.#output = output;
  }

  /** A stage has begun at `sinceMs`, or still goes on. */
  enter(name: ModelStatus, sinceMs: number): void {
    if (name === this.#stage?.name) return;
    this.#pass(sinceMs);
    const final = name === 'ready' || name === 'failed';
    if (final) this.#output.write(`  ${name}\n`);
    else {
      this.#stage = { name, sinceMs };
      if (this.#output.watched) this.#output.write(`  ${name} …`);
    }
  }

  /** Nobody waits any longer: the stage under way is left as it is. */
  leave(): void {
    if (this.#stage !== undefined && this.#output.watched) this.#output.write('\n');
    this.#stage = undefined;
  }

  #pass(nowMs: number): void {
    if (this.#stage === undefined) return;
    const { name, sinceMs } = this.#stage;
    const seconds = Math.max(0, nowMs - sinceMs) / 1000;
    this.#output.write(`${this.#output.watched ? '\r\u001b[K' : ''}  ${name.padEnd(WIDTH)}  ${seconds.toFixed(2)} s\n`);
    this.#stage = undefined;
  }
}
