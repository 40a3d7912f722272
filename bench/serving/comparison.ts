import { availableParallelism, cpus } from 'node:os';
import { median } from '../support/in-process.ts';
import { spreadOf, table, withSpread } from './report.ts';

/** What a figure has to be: its value on this side, or its ratio to the other side, at most or at least a number. */
interface Target {
  readonly of: 'value' | 'ratio';
  readonly is: 'at most' | 'at least';
  readonly limit: number;
}

const atMost = (limit: number, of: Target['of'] = 'value'): Target => ({ of, is: 'at most', limit });
const atLeast = (limit: number, of: Target['of'] = 'value'): Target => ({ of, is: 'at least', limit });

/** The figures that the online path has to reach, against df9e65a on the same 2 cores. */
const TARGETS: Readonly<Record<string, Target>> = {
  '1 in flight: CPU per request': atMost(0.4, 'ratio'),
  '1 in flight: Redis commands per request': atMost(8),
  '1 in flight: p50': atMost(0.45, 'ratio'),
  '8 in flight: requests/s': atLeast(2.5, 'ratio'),
  '64 in flight: requests/s': atLeast(2.5, 'ratio'),
  '256 in flight: requests/s': atLeast(2.5, 'ratio'),
  '256 in flight: CPU per request, API': atMost(50),
  'open loop at 60 %: p99': atMost(15),
  'resnet18: full path ÷ bare runtime': atLeast(0.9),
  'encoder: full path ÷ bare runtime': atLeast(0.9),
  'mobilenet_v3_small: full path ÷ bare runtime': atLeast(0.5),
  'big_mlp: full path ÷ bare runtime': atLeast(0.5),
  '64 in flight for 10 s: whole stack (Pss)': atMost(350),
  'start of the stack to the first answer': atMost(1.2),
  'kill -9 of a worker: longest wait': atMost(4),
  'kill -9 of a worker: failed requests': atMost(0),
  'fast model behind a burst of a slow one: wait': atMost(1.3),
  'priority 1 behind the same burst: wait': atMost(1.3),
  'p99 beside an owner with 10,000 outstanding ÷ p99 alone': atMost(3),
  'soak: event loop delay p99, API': atMost(20),
  'soak: event loop delay p99, worker': atMost(20),
  'soak: heap late ÷ early, API': atMost(1.1),
  'soak: heap late ÷ early, worker': atMost(1.1),
};

interface Series {
  readonly unit: string;
  /** One list per side, one value per round. */
  readonly values: readonly [number[], number[]];
}

/** The figures of two builds, round by round, and the table that compares them. */
export class Comparison {
  readonly #series = new Map<string, Series>();

  /** Adds a round's value of the side: 0 is this build, 1 is the other commit's. */
  record(name: string, unit: string, side: 0 | 1, value: number): void {
    const entry: Series = this.#series.get(name) ?? { unit, values: [[], []] };
    entry.values[side].push(value);
    this.#series.set(name, entry);
  }

  /** All values by name, for a file. */
  toJSON(): object {
    return Object.fromEntries(this.#series);
  }

  /** A line about the machine and a Markdown table: medians, the ratio with its spread, and what is to be reached. */
  markdown(options: { readonly other: string; readonly how: string }): string {
    const rows = [...this.#series].map(
      ([
        name,
        {
          unit,
          values: [own, others],
        },
      ]) => {
        const ratios = own.map((value, round) => value / (others[round] ?? NaN)).filter(Number.isFinite);
        const ratio = ratios.length === 0 ? '–' : withSpread(median(ratios), spreadOf(ratios));
        const figure = (values: readonly number[]): string =>
          values.length === 0 ? '–' : `${Number(median(values).toPrecision(3))}${unit === '' ? '' : ` ${unit}`}`;
        return [name, figure(own), figure(others), ratio, verdict(TARGETS[name], median(own), median(ratios))];
      },
    );
    const machine = `${availableParallelism()} × ${cpus()[0]?.model ?? '?'}, Node ${process.version.slice(1)}`;
    const head = ['figure', 'this', options.other, 'ratio (least-most)', 'to reach'];
    return `${machine}; ${options.how}\n\n${table(head, rows)}\n`;
  }
}

function verdict(target: Target | undefined, value: number, ratio: number): string {
  const reached = target?.of === 'ratio' ? ratio : value;
  if (target === undefined || !Number.isFinite(reached)) return '';
  const { is, limit, of } = target;
  const holds = is === 'at most' ? reached <= limit : reached >= limit;
  return `${holds ? 'yes' : '**no**'}: ${is} ${limit}${of === 'ratio' ? ' ×' : ''}`;
}
