import type { ModelStatus } from '@sconce/client';

/** Where the lines go. */
export interface StageOutput {
  write(text: string): void;
  /** Whether somebody watches: the stage under way is then shown, and replaced by its line when it has passed. */
  readonly watched: boolean;
  /** Milliseconds, rising. */
  readonly now: () => number;
}

const WIDTH = 'optimising'.length;

/** The stages of a registration, a line for each that has passed with how long it took. */
export class StageLines {
  readonly #output: StageOutput;
  #stage: { readonly name: ModelStatus; readonly since: number } | undefined;

  constructor(output: StageOutput) {
    this.#output = output;
  }

  /** A stage has begun, or still goes on. */
  enter(name: ModelStatus): void {
    if (name === this.#stage?.name) return;
    this.#pass();
    const final = name === 'ready' || name === 'failed';
    if (final) this.#output.write(`  ${name}\n`);
    else {
      this.#stage = { name, since: this.#output.now() };
      if (this.#output.watched) this.#output.write(`  ${name} …`);
    }
  }

  /** Nobody waits any longer: the stage under way is left as it is. */
  leave(): void {
    if (this.#stage !== undefined && this.#output.watched) this.#output.write('\n');
    this.#stage = undefined;
  }

  #pass(): void {
    if (this.#stage === undefined) return;
    const { name, since } = this.#stage;
    const seconds = (this.#output.now() - since) / 1000;
    this.#output.write(`${this.#output.watched ? '\r\u001b[K' : ''}  ${name.padEnd(WIDTH)}  ${seconds.toFixed(2)} s\n`);
    this.#stage = undefined;
  }
}
