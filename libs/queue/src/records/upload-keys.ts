import { SconceError } from '@sconce/errors';
import { onRedis } from '../redis/redis-connection.ts';
import type { IdempotencyClaim, JobRecords } from './job-records.ts';

/** An idempotency key of a request whose fingerprint is known when its body has been read. */
export type UploadKey = Omit<IdempotencyClaim, 'fingerprint'>;

/** What a key is tied to: the id of the first request's resource, and the fingerprint of that request. */
export interface HeldKey {
  readonly id: string;
  readonly fingerprint: string;
}

/**
 * Idempotency keys of uploads. The first request stores its body, and then ties the key to what it made (`settle`). A later one finds the key
 * held, reads its body without storing it, and compares (`check`). Of two at the same time, one loses in `settle` and removes what it made.
 *
 * Errors of every method: `redis_unavailable`.
 */
export class UploadKeys {
  readonly #claims: Pick<JobRecords, 'claim' | 'held' | 'release'>;
  readonly #ttlSeconds: number;

  constructor(claims: Pick<JobRecords, 'claim' | 'held' | 'release'>, ttlSeconds: number) {
    this.#claims = claims;
    this.#ttlSeconds = ttlSeconds;
  }

  /** What the key is tied to; undefined for a key that is new. */
  async held(key: UploadKey): Promise<HeldKey | undefined> {
    return onRedis('look the idempotency key up', () => this.#claims.held(key));
  }

  /** Ties the key to what this request made. Returns the id that the key is tied to. @throws SconceError `idempotency_conflict`. */
  async settle(key: UploadKey, { id, fingerprint }: HeldKey): Promise<string> {
    return onRedis('keep the idempotency key', () => this.#claims.claim({ ...key, fingerprint }, id, this.#ttlSeconds));
  }

  /** Frees a key whose request was refused in the end. */
  async release(key: UploadKey): Promise<void> {
    await onRedis('free the idempotency key', () => this.#claims.release(key));
  }
}

/** @throws SconceError `idempotency_conflict` unless the key came with the same request before. */
export function checkSameRequest({ key }: UploadKey, held: HeldKey, fingerprint: string): void {
  if (held.fingerprint !== fingerprint) throw usedBefore(key);
}

/** The error for a key that came with another request before. */
export function usedBefore(key: string): SconceError {
  return new SconceError(
    'idempotency_conflict',
    `Idempotency-Key "${key}" was used before with a different request; use a new key for a new request.`,
    { details: { param: 'Idempotency-Key' } },
  );
}

/** The error for a key whose resource somebody removed. The key makes it once: it does not make it again. */
export function madeAndRemoved({ key }: UploadKey, id: string): SconceError {
  return new SconceError(
    'idempotency_conflict',
    `Idempotency-Key "${key}" made "${id}", which has been removed; use a new key to send it again.`,
    { details: { param: 'Idempotency-Key' } },
  );
}
