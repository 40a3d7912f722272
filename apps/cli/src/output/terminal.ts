import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';

/** The output of a command: results on stdout, everything else on stderr, progress bars only on a terminal. */
export class Terminal {
  readonly json: boolean;
  readonly #showsBars: boolean;

  constructor(options: { json: boolean }) {
    this.json = options.json;
    this.#showsBars = process.stderr.isTTY && !options.json;
  }

  /** Prints the result for people. With --json nothing. */
  print(text: string): void {
    if (!this.json) process.stdout.write(`${text}\n`);
  }

  /** Prints the result for programs: one JSON value. Without --json nothing. */
  result(value: unknown): void {
    this.resultText(JSON.stringify(value));
  }

  /** Prints the result for programs, given as JSON text. Without --json nothing. */
  resultText(json: string): void {
    if (this.json) process.stdout.write(`${json}\n`);
  }

  /** Prints progress and remarks on stderr. With --json nothing. */
  note(text: string): void {
    if (!this.json) process.stderr.write(`${text}\n`);
  }

  /** Prints a table for people. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    const table = new Table({ head: [...head], style: { head: [], border: [] }, chars: PLAIN_CHARS });
    for (const row of rows) table.push([...row]);
    this.print(table.toString());
  }

  /** A progress bar over `total` units. Without a terminal it does nothing. */
  progress(label: string, total: number, unit: string): { update(value: number): void; stop(): void } {
    if (!this.#showsBars) return { update: () => undefined, stop: () => undefined };
    const bar = new SingleBar({
      format: `${label} {bar} {percentage}% | {value}/{total} ${unit} | {eta_formatted} left`,
      stream: process.stderr,
      // A hidden cursor would stay hidden after Ctrl-C.
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

  /** A progress bar over the rows of a batch. Without a terminal it does nothing. */
  rowProgress(label: string): RowProgress {
    if (!this.#showsBars)
      return { update: () => undefined, pause: () => undefined, resume: () => undefined, stop: () => undefined };
    const bar = new SingleBar({
      format: `${label} {bar} {share} % | {rows} rows | {rate} rows/s | {left} left | {failed} failed`,
      stream: process.stderr,
      hideCursor: false,
      clearOnComplete: true,
      fps: 8,
    });
    let last = payloadOf({ share: 0, rows: 0, failed: 0, rate: null, eta: null });
    bar.start(1_000, 0, last);
    return {
      update: (progress) => {
        last = payloadOf(progress);
        bar.update(Math.round(progress.share * 1_000), last);
      },
      pause: () => {
        bar.stop();
      },
      resume: () => {
        bar.start(1_000, Math.round(Number(last.share) * 10), last);
      },
      stop: () => {
        bar.stop();
      },
    };
  }
}

/** The progress of a batch. */
export interface RowsDone {
  /** Share of the input that is done, 0 to 1. */
  readonly share: number;
  readonly rows: number;
  readonly failed: number;
  /** Rows per second. */
  readonly rate: number | null;
  /** Seconds left. */
  readonly eta: number | null;
}

export interface RowProgress {
  update(progress: RowsDone): void;
  /** Removes the bar until `resume`. */
  pause(): void;
  resume(): void;
  stop(): void;
}

function payloadOf({
  share,
  rows,
  failed,
  rate,
  eta,
}: RowsDone): Record<'share' | 'rows' | 'failed' | 'rate' | 'left', string> {
  return {
    share: (share * 100).toFixed(1),
    rows: rows.toLocaleString('en'),
    failed: failed.toLocaleString('en'),
    rate: rate === null ? '-' : Math.round(rate).toLocaleString('en'),
    left:
      eta === null
        ? '-'
        : eta >= 3_600
          ? `${(eta / 3_600).toFixed(1)} h`
          : eta >= 60
            ? `${Math.ceil(eta / 60)} min`
            : `${eta} s`,
  };
}

/** A table without lines between cells: easy to read, also for `awk`. */
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
