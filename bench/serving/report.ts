import type { LoadReport } from '../support/load-client.ts';

/** One model: rows per second of the bare loop (one row a call, and at its best number of rows) and of the full path. */
export interface ModelFigures {
  readonly name: string;
  readonly bestRows: number;
  readonly bare: number;
  readonly bareBest: number;
  readonly full: number;
  /** Full path over the better bare loop, median of the rounds' own ratios. */
  readonly ratio: number;
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
}

type Latency = Omit<LoadReport, 'requests'>;

export interface SuiteFigures {
  readonly machine: string;
  readonly node: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly models: readonly ModelFigures[];
  readonly latency?: {
    readonly model: string;
    /** Requests per second at the best number in flight. */
    readonly saturation: number;
    readonly closed: readonly (Latency & { readonly inFlight: number })[];
    readonly open: readonly (Latency & { readonly share: number })[];
  };
}

/** docs/performance.md. */
export function markdown({ machine, node, rounds, seconds, models, latency }: SuiteFigures): string {
  const sections = [
    '# Performance\n\n<!-- Written by bench/serving/suite.bench.ts. -->',
    `${machine}, Node ${node.slice(1)}; client, API, Redis and worker on the same cores. Medians of ${rounds} interleaved rounds of ${seconds} s.`,
    '## The full path against the runtime itself\n\nRequests of one row, 64 in flight, over HTTP; _bare_ is a loop in one thread per core that only runs the model, one row a call and at the\nnumber of rows that registration measured as best. The ratio is to the better of the two.',
    table(
      ['model', 'bare rows/s', 'best rows', 'bare rows/s at best', 'full path rows/s', 'ratio', 'p50 ms', 'p99 ms'],
      models.map((model) => [
        model.name,
        figure(model.bare),
        String(model.bestRows),
        figure(model.bareBest),
        figure(model.full),
        model.ratio.toFixed(2),
        figure(model.p50),
        figure(model.p99),
      ]),
    ),
  ];
  if (latency !== undefined) {
    const cells = ({ perSecond, p50, p90, p99, max, failed }: Latency): string[] => [
      figure(perSecond),
      ...[p50, p90, p99, max].map(figure),
      String(failed),
    ];
    sections.push(
      `## Latency\n\n${latency.model}, whose own run takes some hundredths of a millisecond: what is measured is everything else.`,
      table(
        ['in flight', 'requests/s', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms', 'failed'],
        latency.closed.map((row) => [String(row.inFlight), ...cells(row)]),
      ),
      'Open loop, requests at fixed times, latency from when each was due:',
      table(
        ['of saturation', 'requests/s', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms', 'failed', 'unsent'],
        latency.open.map((row) => [`${row.share * 100} %`, ...cells(row), String(row.unsent)]),
      ),
    );
  }
  return `${sections.join('\n\n')}\n`;
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
