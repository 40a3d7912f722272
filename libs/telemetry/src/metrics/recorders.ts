import type { Attributes, Meter, SpanContext } from '@opentelemetry/api';
import { ExemplarStore } from './exemplars.ts';
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

/** The recorders, and the exemplars of each histogram by its name. */
export interface CreatedMetrics {
  readonly metrics: SconceMetrics;
  readonly exemplars: ReadonlyMap<string, ExemplarStore>;
}

/** Makes all instruments of METRICS on `meter`. The compiler checks labels and methods. */
export function createMetrics(meter: Meter): CreatedMetrics {
  const exemplars = new Map<string, ExemplarStore>();
  const recorders = Object.entries(METRICS).map(([key, metric]) => [key, createRecorder(meter, metric, exemplars)]);
  return { metrics: Object.fromEntries(recorders) as SconceMetrics, exemplars };
}

function createRecorder(
  meter: Meter,
  metric: MetricDefinition,
  exemplars: Map<string, ExemplarStore>,
): RecorderOf<Attributes>[MetricDefinition['kind']] {
  const { name, description, unit, labels: names, buckets = [] } = metric;
  switch (metric.kind) {
    case 'histogram': {
      const advice = { explicitBucketBoundaries: [...buckets] };
      const histogram = meter.createHistogram(name, { description, unit, advice });
      const store = new ExemplarStore(names, buckets);
      exemplars.set(name, store);
      return {
        record: (value, labels, span) => {
          histogram.record(value, labels);
          if (span !== undefined) store.keep(value, labels, span);
        },
      };
    }
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
