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

  /** A progress bar over the rows of a batch; does nothing where nobody watches. */
  rowProgress(label: string): RowProgress {
    if (!this.#watched)
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

/** How far a batch has come. */
export interface RowsDone {
  /** Of the input, 0 to 1. */
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
  /** Takes the bar away for a while. */
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
