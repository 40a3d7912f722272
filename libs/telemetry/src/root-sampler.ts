import { SamplingDecision, type Sampler, type SamplingResult } from '@opentelemetry/sdk-trace-node';

const RECORD: SamplingResult = { decision: SamplingDecision.RECORD_AND_SAMPLED };
const DROP: SamplingResult = { decision: SamplingDecision.NOT_RECORD };

/** Which new traces are recorded. */
export interface RootSamplerOptions {
  /** Share of new traces, 0 to 1. */
  readonly ratio: number;
  /**
   * Most of them in a second; undefined: no limit. After a second without traces, that number is taken at once. Requests that only read
   * leave half of it to the others.
   */
  readonly maxPerSecond?: number | undefined;
}

/**
 * Decides about traces that begin in this process. `decide` can be asked before anything is allocated for a span; the span that the
 * caller then starts at once is recorded.
 */
export class RootSampler implements Sampler {
  readonly #ratio: number;
  readonly #perSecond: number | undefined;
  #left: number;
  #atMs = performance.now();
  #isDecided = false;

  constructor({ ratio, maxPerSecond }: RootSamplerOptions) {
    this.#ratio = ratio;
    this.#perSecond = maxPerSecond;
    this.#left = Math.max(1, maxPerSecond ?? 1);
  }

  /**
   * Whether to record a new trace. If so, the caller must start its first span before anything else is asked.
   * @param isRead the request only reads. A caller that asks for a status again and again must not use up the traces of the work itself.
   */
  decide(isRead = false): boolean {
    this.#isDecided = this.#draw(isRead ? Math.floor((this.#perSecond ?? 0) / 2) : 0);
    return this.#isDecided;
  }

  shouldSample(): SamplingResult {
    if (!this.#isDecided) return this.#draw() ? RECORD : DROP;
    this.#isDecided = false;
    return RECORD;
  }

  toString(): string {
    return `RootSampler{${this.#ratio}, ${this.#perSecond ?? 'no limit'}}`;
  }

  /** @param reserve traces that must be left over afterwards. */
  #draw(reserve = 0): boolean {
    if (this.#ratio < 1 && Math.random() >= this.#ratio) return false;
    if (this.#perSecond === undefined) return true;
    const nowMs = performance.now();
    this.#left = Math.min(Math.max(1, this.#perSecond), this.#left + ((nowMs - this.#atMs) / 1_000) * this.#perSecond);
    this.#atMs = nowMs;
    if (this.#left < 1 + reserve) return false;
    this.#left -= 1;
    return true;
  }
}
