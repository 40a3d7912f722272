import { TraceFlags, type SpanContext } from '@opentelemetry/api';

/** One observation of a histogram's bucket with the trace that it belongs to. */
export interface Exemplar {
  readonly traceId: string;
  readonly spanId: string;
  readonly value: number;
  /** Epoch ms. */
  readonly atMs: number;
}

/** Label sets of one histogram that get exemplars. Later ones get none. */
const MAX_SERIES = 1_000;

/**
 * Keeps the last sampled trace of each bucket of one histogram. It leads from a slow bucket on a dashboard to a request of that bucket.
 * The SDK exports no exemplars. Bound: one per bucket, 1,000 label sets.
 */
export class ExemplarStore {
  readonly #labels: readonly string[];
  readonly #buckets: readonly number[];
  readonly #series = new Map<string, (Exemplar | undefined)[]>();

  constructor(labels: readonly string[], buckets: readonly number[]) {
    this.#labels = labels;
    this.#buckets = buckets;
  }

  /** Keeps an observation if its span is sampled. The trace backend does not have other spans. */
  keep(value: number, labels: Readonly<Record<string, unknown>>, span: SpanContext): void {
    if ((span.traceFlags & TraceFlags.SAMPLED) === 0) return;
    const key = this.#keyOf(labels);
    let series = this.#series.get(key);
    if (series === undefined) {
      if (this.#series.size >= MAX_SERIES) return;
      series = [];
      this.#series.set(key, series);
    }
    const found = this.#buckets.findIndex((bound) => value <= bound);
    const index = found < 0 ? this.#buckets.length : found;
    series[index] = { traceId: span.traceId, spanId: span.spanId, value, atMs: Date.now() };
  }

  /** The exemplars of a label set, by bucket. The last bucket is +Inf. */
  of(labels: Readonly<Record<string, unknown>>): readonly (Exemplar | undefined)[] {
    return this.#series.get(this.#keyOf(labels)) ?? [];
  }

  #keyOf(labels: Readonly<Record<string, unknown>>): string {
    return this.#labels.map((name) => String(labels[name])).join('\0');
  }
}
