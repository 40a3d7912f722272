/** How a metric is measured: counted here, or read at each scrape (`gauge`, `observed-counter`). */
export type MetricKind = 'histogram' | 'counter' | 'up-down-counter' | 'gauge' | 'observed-counter';

/** One metric: its Prometheus name, what it counts, and the labels that every value carries. */
export interface MetricDefinition<K extends MetricKind = MetricKind, L extends string = string> {
  readonly name: string;
  readonly kind: K;
  readonly description: string;
  /** UCUM: `s`, `By`, `{row}`. Names carry the unit as Prometheus wants it. */
  readonly unit: string;
  readonly labels: readonly L[];
  /** Upper bounds of a histogram's buckets, in `unit`. */
  readonly buckets?: readonly number[];
  /** The name of OpenTelemetry's semantic conventions that this one follows. */
  readonly convention?: string;
}

interface Words {
  readonly description: string;
  readonly unit: string;
  readonly convention?: string;
}

type Maker<K extends MetricKind> = <const L extends string = never>(
  name: string,
  words: Words,
  labels?: readonly L[],
) => MetricDefinition<K, L>;

/** 0.5 ms to 30 s: from a small model's one row to a large model's whole run. */
export const SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
/** 0.1 s to an hour: what is done in the background. */
export const LONG_SECONDS: readonly number[] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600];
/** Rows of one run. */
export const ROWS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096];

/** What happened so often. */
export const counter = maker('counter');
/** A number that goes up and down, and is counted where that happens. */
export const upDownCounter = maker('up-down-counter');
/** A value read at each scrape. */
export const gauge = maker('gauge');
/** A sum that something else keeps, read at each scrape. */
export const observedCounter = maker('observed-counter');

/** A distribution, in buckets of these upper bounds. */
export function histogram<const L extends string = never>(
  name: string,
  words: Words & { readonly buckets: readonly number[] },
  labels: readonly L[] = [],
): MetricDefinition<'histogram', L> & { readonly buckets: readonly number[] } {
  return { name, kind: 'histogram', ...words, labels };
}

function maker<K extends MetricKind>(kind: K): Maker<K> {
  return (name, words, labels = []) => ({ name, kind, ...words, labels });
}
