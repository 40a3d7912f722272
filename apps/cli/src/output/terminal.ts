import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';

/** How a command speaks: results on stdout, everything else on stderr, bars only where someone watches. */
export class Terminal {
  readonly json: boolean;
  readonly #watched: boolean;

  constructor(options: { json: boolean }) {
    this.json = options.json;
    this.#watched = process.stderr.isTTY && !options.json;
  }

  /** The result for people; with --json nothing. */
  print(text: string): void {
    if (!this.json) process.stdout.write(`${text}\n`);
  }

  /** The result for programs: one JSON value. Without --json nothing. */
  result(value: unknown): void {
    this.resultText(JSON.stringify(value));
  }

  /** The result for programs, as JSON text. Without --json nothing. */
  resultText(json: string): void {
    if (this.json) process.stdout.write(`${json}\n`);
  }

  /** What is going on, on stderr; with --json nothing. */
  note(text: string): void {
    if (!this.json) process.stderr.write(`${text}\n`);
  }

  /** A table for people. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    const table = new Table({ head: [...head], style: { head: [], border: [] }, chars: PLAIN_CHARS });
    for (const row of rows) table.push([...row]);
    this.print(table.toString());
  }

  /** A progress bar over `total` units; does nothing where nobody watches. */
  progress(label: string, total: number, unit: string): { update(value: number): void; stop(): void } {
    if (!this.#watched) return { update: () => undefined, stop: () => undefined };
    const bar = new SingleBar({
      format: `${label} {bar} {percentage}% | {value}/{total} ${unit} | {eta_formatted} left`,
      stream: process.stderr,
      // Hidden, it would stay so after a Ctrl-C.
      hideCursor: false,
      clearOnComplete: true,
      fps: 8,
    });
    bar.start(total, 0);
    return {
      update: (value) => {
        bar.update(value);
      },
      stop: () => {
        bar.stop();
      },
    };
  }
}

/** Columns without rules: easy on the eye and on `awk`. */
export const PLAIN_CHARS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};
