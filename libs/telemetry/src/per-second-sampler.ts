import type { Attributes, Context, Link, SpanKind } from '@opentelemetry/api';
import { SamplingDecision, type Sampler, type SamplingResult } from '@opentelemetry/sdk-trace-node';

/**
 * Limits the traces that another sampler takes to a number per second, so that tracing costs the same under any load. After a second
 * without traces it takes that number at once.
 */
export class PerSecondSampler implements Sampler {
  readonly #sampler: Sampler;
  readonly #perSecond: number;
  #left: number;
  #atMs = performance.now();

  constructor(sampler: Sampler, perSecond: number) {
    this.#sampler = sampler;
    this.#perSecond = perSecond;
    this.#left = Math.max(1, perSecond);
  }

  shouldSample(
    context: Context,
    traceId: string,
    spanName: string,
    spanKind: SpanKind,
    attributes: Attributes,
    links: Link[],
  ): SamplingResult {
    const result = this.#sampler.shouldSample(context, traceId, spanName, spanKind, attributes, links);
    if (result.decision === SamplingDecision.NOT_RECORD) return result;
    const nowMs = performance.now();
    this.#left = Math.min(Math.max(1, this.#perSecond), this.#left + ((nowMs - this.#atMs) / 1_000) * this.#perSecond);
    this.#atMs = nowMs;
    if (this.#left < 1) return { decision: SamplingDecision.NOT_RECORD };
    this.#left -= 1;
    return result;
  }

  toString(): string {
    return `PerSecondSampler{${this.#sampler.toString()}, ${this.#perSecond}}`;
  }
}
