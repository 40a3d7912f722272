import type { Attributes, Meter } from '@opentelemetry/api';
import { METRICS, type MetricKey } from './metric-table.ts';

type Labels<K extends MetricKey> = Readonly<Record<(typeof METRICS)[K]['labels'][number], string>>;

/** One value of a gauge at the moment of a scrape. */
export interface Reading<L> {
  readonly value: number;
  readonly labels: L;
}

interface RecorderOf<L> {
  readonly histogram: { record(value: number, labels: L): void };
  readonly counter: { add(value: number, labels: L): void };
  readonly 'up-down-counter': { add(value: number, labels: L): void };
  readonly gauge: {
    /** `read` runs at each scrape; what it throws leaves the gauge out of that scrape. Returns what ends it. */
    observe(read: () => readonly Reading<L>[] | Promise<readonly Reading<L>[]>): () => void;
  };
}

/** A typed recorder for each line of METRICS. */
export type SconceMetrics = { readonly [K in MetricKey]: RecorderOf<Labels<K>>[(typeof METRICS)[K]['kind']] };

/** Makes every instrument of METRICS on `meter`; labels and methods are checked by the compiler. */
export function createMetrics(meter: Meter): SconceMetrics {
  const recorders = Object.entries(METRICS).map(([key, metric]) => [key, createRecorder(meter, metric)]);
  return Object.fromEntries(recorders) as SconceMetrics;
}

function createRecorder(meter: Meter, metric: (typeof METRICS)[MetricKey]): RecorderOf<Attributes>[typeof metric.kind] {
  const { name, description, unit } = metric;
  switch (metric.kind) {
    case 'histogram':
      return meter.createHistogram(name, {
        description,
        unit,
        advice: { explicitBucketBoundaries: [...metric.buckets] },
      });
    case 'counter':
      return meter.createCounter(name, { description, unit });
    case 'up-down-counter':
      return meter.createUpDownCounter(name, { description, unit });
    case 'gauge': {
      const gauge = meter.createObservableGauge(name, { description, unit });
      return {
        observe: (read) => {
          const callback: Parameters<typeof gauge.addCallback>[0] = async (result) => {
            for (const { value, labels } of await read()) result.observe(value, labels);
          };
          gauge.addCallback(callback);
          return () => gauge.removeCallback(callback);
        },
      };
    }
  }
}
