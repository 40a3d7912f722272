import type { LoadReport } from '../support/load-client.ts';
import type { PeerFigures } from './peers.ts';
import type { OverloadFigures, SoakFigures } from './pressure.ts';
import type { ThreadFigures } from './threads.ts';
import type { TorchFigures } from './torch.ts';

/** One model: rows per second of the bare loop (one row a call, and at its best number of rows) and of the full path. */
export interface ModelFigures {
  readonly name: string;
  readonly bestRows: number;
  readonly bare: number;
  readonly bareBest: number;
  readonly full: number;
  /** Full path divided by the better bare loop; median of the ratios of all rounds. */
  readonly ratio: number;
  /** The lowest and the highest of these ratios. */
  readonly ratioSpread: readonly [number, number];
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
}

/** Figures of one kind of load; medians over the rounds. */
export type Latency = Omit<LoadReport, 'requests' | 'byStatus'>;

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
  readonly threads?: { readonly model: string; readonly figures: readonly ThreadFigures[] };
  readonly overload?: { readonly model: string; readonly seconds: number; readonly figures: OverloadFigures };
  readonly soak?: { readonly model: string; readonly figures: SoakFigures };
  readonly peers?: { readonly model: string; readonly figures: readonly PeerFigures[] };
  readonly torch?: readonly TorchFigures[];
}

/** The lowest and the highest value. */
export function spreadOf(values: readonly number[]): readonly [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

/** The text of docs/performance.md. */
export function markdown(suite: SuiteFigures): string {
  const { machine, node, rounds, seconds, models, latency, threads, overload, soak, peers, torch } = suite;
  const sections = [
    '# Performance\n\n<!-- Written by bench/serving/suite.bench.ts. -->',
    `${machine}, Node ${node.slice(1)}; client, API, Redis and worker on the same cores. Medians of ${rounds} interleaved rounds of ${seconds} s; ratios are medians of the ratios of all rounds, with the lowest and the highest.`,
    ...(models.length === 0 ? [] : ratioSection(models)),
    ...(latency === undefined ? [] : latencySection(latency)),
    ...(peers === undefined ? [] : peerSection(peers)),
    ...(torch === undefined ? [] : torchSection(torch)),
    ...(threads === undefined ? [] : threadSection(threads)),
    ...(overload === undefined ? [] : overloadSection(overload)),
    ...(soak === undefined ? [] : soakSection(soak)),
  ];
  return `${sections.join('\n\n')}\n`;
}

function ratioSection(models: readonly ModelFigures[]): readonly string[] {
  return [
    '## The full path compared with the runtime\n\nRequests of one row, 64 in flight, over HTTP. _bare_ is a loop in one thread per core that only runs the model, with one row per call and with\nthe number of rows that registration measured as best. The ratio is to the better of the two.',
    table(
      ['model', 'bare rows/s', 'best rows', 'bare rows/s at best', 'full path rows/s', 'ratio', 'p50 ms', 'p99 ms'],
      models.map((model) => [
        model.name,
        figure(model.bare),
        String(model.bestRows),
        figure(model.bareBest),
        figure(model.full),
        withSpread(model.ratio, model.ratioSpread),
        figure(model.p50),
        figure(model.p99),
      ]),
    ),
  ];
}

function latencySection(latency: NonNullable<SuiteFigures['latency']>): readonly string[] {
  const cells = ({ perSecond, p50, p90, p99, max, failed }: Latency): string[] => [
    figure(perSecond),
    ...[p50, p90, p99, max].map(figure),
    String(failed),
  ];
  return [
    `## Latency\n\n${latency.model}, whose run takes a few hundredths of a millisecond: the rest of the path is measured.`,
    table(
      ['in flight', 'requests/s', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms', 'failed'],
      latency.closed.map((row) => [String(row.inFlight), ...cells(row)]),
    ),
    'Open loop, requests at fixed times, latency from when each was due:',
    table(
      ['of saturation', 'requests/s', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms', 'failed', 'unsent'],
      latency.open.map((row) => [`${row.share * 100} %`, ...cells(row), String(row.unsent)]),
    ),
  ];
}

function peerSection({ model, figures }: NonNullable<SuiteFigures['peers']>): readonly string[] {
  return [
    `## Compared with alternatives\n\n${model}, one row per request, 64 in flight. In every round each server is started, gets load from the same client while no other server runs, and\nis stopped. Memory is of all its processes under load, shared pages counted once; Sconce's includes Redis, API and worker. Cold start is from\nthe start of the process to the first answer.`,
    table(
      ['', 'requests/s', 'Sconce over it', 'p50 ms', 'p99 ms', 'failed', 'cold start ms', 'memory MiB'],
      figures.map((peer) => [
        peer.name,
        figure(peer.perSecond),
        withSpread(peer.ratio, peer.ratioSpread),
        figure(peer.p50),
        figure(peer.p99),
        String(peer.failed),
        figure(peer.coldStartMs),
        figure(peer.memoryMiB),
      ]),
    ),
  ];
}

function torchSection(figures: readonly TorchFigures[]): readonly string[] {
  const mean = (values: readonly number[]): string =>
    Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length).toFixed(2);
  return [
    '## The runtime compared with PyTorch\n\nRows per second of the model alone, without a server, each at its best settings in a sweep: sessions (or processes) × threads in each,\nrows per run; PyTorch in its faster form.',
    table(
      ['model', 'ours', 'eager', 'TorchScript', 'over eager', 'over TorchScript'],
      [
        ...figures.map(({ name, ours, eager, torchscript, settings, overEager, overTorchscript }) => [
          name,
          `${figure(ours)} (${settings.ours})`,
          `${figure(eager)} (${settings.eager})`,
          `${figure(torchscript)} (${settings.torchscript})`,
          overEager.toFixed(2),
          overTorchscript.toFixed(2),
        ]),
        [
          'geometric mean',
          '',
          '',
          '',
          mean(figures.map(({ overEager }) => overEager)),
          mean(figures.map(({ overTorchscript }) => overTorchscript)),
        ],
      ],
    ),
  ];
}

function threadSection({ model, figures }: NonNullable<SuiteFigures['threads']>): readonly string[] {
  const one = figures[0]?.memoryMiB ?? NaN;
  return [
    `## Threads\n\nA worker whose threads all hold ${model} (100 MB of weights), one row per run, four requests in flight per thread. The threads share one copy of the weights.`,
    table(
      ['threads', 'worker MiB', 'to one thread', 'requests/s'],
      figures.map(({ threads, memoryMiB, perSecond }) => [
        String(threads),
        figure(memoryMiB),
        (memoryMiB / one).toFixed(2),
        figure(perSecond),
      ]),
    ),
  ];
}

function overloadSection({ model, seconds, figures }: NonNullable<SuiteFigures['overload']>): readonly string[] {
  const { before, offered, answered, refused, otherFailures, after, apiMiB, workerMiB } = figures;
  return [
    `## Overload\n\n${model}: ${figure(offered)} requests a second for ${seconds} s, when ${figure(before)} can be answered. ${figure(answered)} a second were answered, ${figure(refused)} refused with 429, ${otherFailures}\nfailed otherwise; right after it ${figure(after)} a second were answered again. The API had at most ${figure(apiMiB)} MiB resident, the worker ${figure(workerMiB)}.`,
  ];
}

function soakSection({ model, figures }: NonNullable<SuiteFigures['soak']>): readonly string[] {
  const { minutes, perSecond, failed, api, worker, apiLagMs, workerLagMs } = figures;
  const row = (name: string, memory: SoakFigures['api'], lag: SoakFigures['apiLagMs']): string[] => [
    name,
    ...[...memory.rss, ...memory.heap, lag.p99, lag.worst].map(figure),
  ];
  return [
    `## Soak\n\n${model}, 64 in flight for ${minutes} minutes: ${figure(perSecond)} requests/s, ${failed} failed. Memory in MiB, in the third tenth and in the last tenth. Event loop lag is the p99 of\neach two seconds: median and highest.`,
    table(
      ['', 'RSS early', 'RSS late', 'heap early', 'heap late', 'lag p99 ms', 'worst'],
      [row('API', api, apiLagMs), row('worker', worker, workerLagMs)],
    ),
  ];
}

/** A ratio with the least and the most of the rounds' own. */
export function withSpread(value: number, [least, most]: readonly [number, number]): string {
  return `${value.toFixed(2)} (${least.toFixed(2)}-${most.toFixed(2)})`;
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
