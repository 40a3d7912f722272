import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import type { HistoryEvent } from './events.ts';

/** An event without its time, for each type of event. */
type Untimed<T> = T extends HistoryEvent ? Omit<T, 'at'> : never;

/** Writes the history of a run, one event a line, as the events happen. */
export class Recorder {
  readonly #file: number;
  #startedAt = performance.now();
  readonly #events: HistoryEvent[] = [];
  #ops = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  get events(): readonly HistoryEvent[] {
    return this.#events;
  }

  /** Time since the beginning, ms. */
  now(): number {
    return Math.round((performance.now() - this.#startedAt) * 10) / 10;
  }

  /** Sets the time to 0. What was recorded before is the start of the system, and is not a part of the history. */
  begin(): void {
    this.#startedAt = performance.now();
    this.#events.length = 0;
    ftruncateSync(this.#file, 0);
  }

  nextOp(): string {
    this.#ops += 1;
    return `op-${this.#ops}`;
  }

  add(event: Untimed<HistoryEvent>): void {
    const timed = { at: this.now(), ...event };
    this.#events.push(timed);
    writeSync(this.#file, `${JSON.stringify(timed)}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}
