/** How a metric is measured: recorded by Sconce, or read at each scrape (`gauge`, `observed-counter`). */
export type MetricKind = 'histogram' | 'counter' | 'up-down-counter' | 'gauge' | 'observed-counter';

/** One metric: its Prometheus name, its meaning, and the labels of every value. */
export interface MetricDefinition<K extends MetricKind = MetricKind, L extends string = string> {
  readonly name: string;
  readonly kind: K;
  readonly description: string;
  /** In UCUM: `s`, `By`, `{row}`. The name ends with the unit that Prometheus uses. */
  readonly unit: string;
  readonly labels: readonly L[];
  /** Upper bounds of a histogram's buckets, in `unit`. */
  readonly buckets?: readonly number[];
  /** The metric of OpenTelemetry's semantic conventions that this one follows. */
  readonly convention?: string;
}

interface MetricText {
  readonly description: string;
  readonly unit: string;
  readonly convention?: string;
}

type MetricMaker<K extends MetricKind> = <const L extends string = never>(
  name: string,
  text: MetricText,
  labels?: readonly L[],
) => MetricDefinition<K, L>;

/** 0.5 ms to 30 s: from one row of a small model to a full run of a large model. */
export const SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
/** 0.1 s to an hour: for work in the background. */
export const LONG_SECONDS: readonly number[] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600];
/** For the rows of one run. */
export const ROWS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096];

/** A number of events. */
export const counter = metricOf('counter');
/** A number that Sconce increases and decreases. */
export const upDownCounter = metricOf('up-down-counter');
/** A value read at each scrape. */
export const gauge = metricOf('gauge');
/** A sum that is kept elsewhere and read at each scrape. */
export const observedCounter = metricOf('observed-counter');

/** A distribution, in buckets with the given upper bounds. */
export function histogram<const L extends string = never>(
  name: string,
  text: MetricText & { readonly buckets: readonly number[] },
  labels: readonly L[] = [],
): MetricDefinition<'histogram', L> & { readonly buckets: readonly number[] } {
  return { name, kind: 'histogram', ...text, labels };
}

function metricOf<K extends MetricKind>(kind: K): MetricMaker<K> {
  return (name, text, labels = []) => ({ name, kind, ...text, labels });
}
