import type { ModelStatus } from '@sconce/client';

/** The output for the lines. */
export interface StageOutput {
  write(text: string): void;
  /** Whether the output is a terminal: the current stage is then shown, and replaced by its line when it ends. */
  readonly watched: boolean;
}

const WIDTH = 'optimising'.length;

/** Prints the stages of a registration: one line per finished stage, with the time that it took. */
export class StageLines {
  readonly #output: StageOutput;
  #stage: { readonly name: ModelStatus; readonly sinceMs: number } | undefined;

  constructor(output: StageOutput) {
    this.#output = output;
  }

  /** Tells that a stage began at `sinceMs`, or continues. */
  enter(name: ModelStatus, sinceMs: number): void {
    if (name === this.#stage?.name) return;
    this.#finishStage(sinceMs);
    const final = name === 'ready' || name === 'failed';
    if (final) this.#output.write(`  ${name}\n`);
    else {
      this.#stage = { name, sinceMs };
      if (this.#output.watched) this.#output.write(`  ${name} …`);
    }
  }

  /** Ends the output: the current stage keeps its line without a time. */
  leave(): void {
    if (this.#stage !== undefined && this.#output.watched) this.#output.write('\n');
    this.#stage = undefined;
  }

  #finishStage(nowMs: number): void {
    if (this.#stage === undefined) return;
    const { name, sinceMs } = this.#stage;
    const seconds = Math.max(0, nowMs - sinceMs) / 1000;
    this.#output.write(`${this.#output.watched ? '\r\u001b[K' : ''}  ${name.padEnd(WIDTH)}  ${seconds.toFixed(2)} s\n`);
    this.#stage = undefined;
  }
}
