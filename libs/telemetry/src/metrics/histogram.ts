import { TraceFlags, type SpanContext } from '@opentelemetry/api';
import type { MetricDefinition } from './metric-definition.ts';

type Labels = Readonly<Record<string, string>>;

/** One observation of a bucket with the trace that it belongs to. */
export interface Exemplar {
  readonly traceId: string;
  readonly spanId: string;
  readonly value: number;
  /** Epoch ms. */
  readonly atMs: number;
}

/** The observations with one label set. */
export interface HistogramSeries {
  readonly labels: Labels;
  /** Observations per bucket; the last bucket is +Inf. */
  readonly counts: number[];
  count: number;
  sum: number;
  /** The last sampled trace of each bucket, which leads from a slow bucket on a dashboard to one of its requests. */
  readonly exemplars: (Exemplar | undefined)[];
}

/** Label sets of one histogram. Observations of further ones count in a series without labels. */
const MAX_SERIES = 2_000;

/**
 * A histogram. The SDK's own takes several times as long for an observation, because it sorts and serialises the labels, and it exports no
 * exemplars.
 */
export class Histogram {
  readonly definition: MetricDefinition;
  readonly #labels: readonly string[];
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, HistogramSeries>();

  constructor(definition: MetricDefinition) {
    this.definition = definition;
    this.#labels = definition.labels;
    this.#bounds = definition.buckets ?? [];
  }

  get series(): Iterable<HistogramSeries> {
    return this.#series.values();
  }

  /** @param span the measured span, for an exemplar. A trace that is not sampled gives none: the trace backend does not have it. */
  record(value: number, labels: Labels, span?: SpanContext): void {
    let key = '';
    for (const name of this.#labels) key += `${labels[name] ?? ''}\0`;
    const series = this.#series.get(key) ?? this.#add(key, labels);
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] as number)) bucket++;
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
    series.count += 1;
    series.sum += value;
    if (span === undefined || (span.traceFlags & TraceFlags.SAMPLED) === 0) return;
    series.exemplars[bucket] = { traceId: span.traceId, spanId: span.spanId, value, atMs: Date.now() };
  }

  #add(key: string, labels: Labels): HistogramSeries {
    if (this.#series.size >= MAX_SERIES && key !== '') return this.#series.get('') ?? this.#add('', {});
    const own = Object.fromEntries(Object.keys(labels).map((name) => [name, labels[name] ?? '']));
    const counts = Array.from({ length: this.#bounds.length + 1 }, () => 0);
    const series: HistogramSeries = { labels: own, counts, count: 0, sum: 0, exemplars: [] };
    this.#series.set(key, series);
    return series;
  }
}
