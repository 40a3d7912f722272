import type { Attributes, Meter, SpanContext } from '@opentelemetry/api';
import { Histogram } from './histogram.ts';
import type { MetricDefinition } from './metric-definition.ts';
import { METRICS, type MetricKey } from './metric-table.ts';

type Labels<K extends MetricKey> = Readonly<Record<(typeof METRICS)[K]['labels'][number], string>>;

/** One value of a gauge at the moment of a scrape. */
export interface Reading<L> {
  readonly value: number;
  readonly labels: L;
}

interface Observed<L> {
  /** `read` runs at each scrape. If it throws, that scrape does not have the metric. Returns a function that ends it. */
  observe(read: () => readonly Reading<L>[] | Promise<readonly Reading<L>[]>): () => void;
}

interface RecorderOf<L> {
  readonly histogram: {
    /** `span` is the measured span, for an exemplar. A span that is not sampled gives none. */
    record(value: number, labels: L, span?: SpanContext): void;
  };
  readonly counter: { add(value: number, labels: L): void };
  readonly 'up-down-counter': { add(value: number, labels: L): void };
  readonly gauge: Observed<L>;
  readonly 'observed-counter': Observed<L>;
}

/** A typed recorder for each line of METRICS. */
export type SconceMetrics = { readonly [K in MetricKey]: RecorderOf<Labels<K>>[(typeof METRICS)[K]['kind']] };

/** The recorders, and those that are histograms, which are not the meter's. */
export interface CreatedMetrics {
  readonly metrics: SconceMetrics;
  readonly histograms: readonly Histogram[];
}

/** Makes all instruments of METRICS on `meter`. The compiler checks labels and methods. */
export function createMetrics(meter: Meter): CreatedMetrics {
  const recorders = Object.entries(METRICS).map(([key, metric]) => [key, createRecorder(meter, metric)] as const);
  const metrics: Record<string, unknown> = Object.fromEntries(recorders);
  const histograms = recorders.map(([, recorder]) => recorder).filter((recorder) => recorder instanceof Histogram);
  return { metrics: metrics as SconceMetrics, histograms };
}

function createRecorder(
  meter: Meter,
  metric: MetricDefinition,
): Histogram | Exclude<RecorderOf<Attributes>[MetricDefinition['kind']], RecorderOf<Attributes>['histogram']> {
  const { name, description, unit } = metric;
  switch (metric.kind) {
    case 'histogram':
      return new Histogram(metric);
    case 'counter':
      return meter.createCounter(name, { description, unit });
    case 'up-down-counter':
      return meter.createUpDownCounter(name, { description, unit });
    case 'gauge':
      return observed(meter.createObservableGauge(name, { description, unit }));
    case 'observed-counter':
      return observed(meter.createObservableCounter(name, { description, unit }));
  }
}

function observed(instrument: ReturnType<Meter['createObservableGauge']>): Observed<Attributes> {
  return {
    observe: (read) => {
      const callback: Parameters<typeof instrument.addCallback>[0] = async (result) => {
        for (const { value, labels } of await read()) result.observe(value, labels);
      };
      instrument.addCallback(callback);
      return () => {
        instrument.removeCallback(callback);
      };
    },
  };
}
