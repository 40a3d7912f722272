import type { ApiKey } from '@sconce/keys';

/** Default burst: the requests of this many seconds. */
const BURST_SECONDS = 2;

interface Use {
  /** Requests that are accepted now. */
  tokens: number;
  atMs: number;
  outstanding: number;
}

/** The limits of keys in this process: a token bucket and a count of requests in flight, for each key that has limits. */
export class KeyLimits {
  readonly #uses = new Map<string, Use>();
  readonly #now: () => number;

  /** @param now milliseconds of a monotonic clock. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Begins a request; `end` ends it. If the key is over a limit, returns the reason and the seconds to wait instead. */
  begin(key: ApiKey): { readonly refused: string; readonly retryAfterSeconds: number } | undefined {
    const { requests_per_second: rate, max_outstanding: most } = key;
    if (rate === undefined && most === undefined) return undefined;
    const use = this.#useOf(key);
    if (most !== undefined && use.outstanding >= most) {
      return { refused: `key ${key.id} has ${most} requests in flight and may have no more`, retryAfterSeconds: 1 };
    }
    if (rate !== undefined) {
      this.#refill(use, rate, burstOf(key, rate));
      if (use.tokens < 1) {
        const retryAfterSeconds = Math.max(1, Math.ceil((1 - use.tokens) / rate));
        return { refused: `key ${key.id} may send ${rate} requests a second`, retryAfterSeconds };
      }
      use.tokens -= 1;
    }
    use.outstanding += 1;
    return undefined;
  }

  /** Ends a request that `begin` accepted. */
  end({ id }: ApiKey): void {
    const use = this.#uses.get(id);
    if (use !== undefined) use.outstanding = Math.max(0, use.outstanding - 1);
  }

  #useOf(key: ApiKey): Use {
    const { id, requests_per_second: rate = 0 } = key;
    const own = this.#uses.get(id) ?? { tokens: burstOf(key, rate), atMs: this.#now(), outstanding: 0 };
    this.#uses.set(id, own);
    return own;
  }

  #refill(use: Use, rate: number, burst: number): void {
    const nowMs = this.#now();
    use.tokens = Math.min(burst, use.tokens + ((nowMs - use.atMs) / 1_000) * rate);
    use.atMs = nowMs;
  }
}

function burstOf({ burst }: ApiKey, rate: number): number {
  return burst ?? Math.max(1, Math.ceil(rate * BURST_SECONDS));
}
