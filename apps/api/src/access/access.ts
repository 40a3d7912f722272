import type { RequestBudget } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { ApiKey } from '@sconce/keys';
import type { Logger, LoggedTrace } from '@sconce/telemetry';
import { meets, type Need } from './access-rules.ts';
import { KeyLimits } from './key-limits.ts';
import type { KeyRing } from './key-ring.ts';

/** The key of a request. */
export interface KeyUse {
  readonly key: ApiKey;
  /** Whether the request counts towards the limits of the key. */
  readonly counted: boolean;
  /** Why the request is refused, if it is. */
  readonly refusal?: SconceError | undefined;
}

/** A request that changes models, for the audit line. */
export interface Act {
  readonly act: string;
  readonly target: string;
  readonly status: number;
  readonly trace: LoggedTrace;
}

/**
 * The keys of callers and their limits, one for all protocols of a process. Without a key ring it accepts every request.
 *
 * States: *open* → *closed* (the key ring reads its file no more).
 */
export class Access {
  readonly #ring: KeyRing | undefined;
  readonly #logger: Logger;
  readonly #limits = new KeyLimits();

  constructor({ ring, logger }: { readonly ring: KeyRing | undefined; readonly logger: Logger }) {
    this.#ring = ring;
    this.#logger = logger;
  }

  /** Whether requests need keys. */
  get hasKeys(): boolean {
    return this.#ring !== undefined;
  }

  /** Counts a request of a key until `release`. Undefined if it needs no key. @throws SconceError `unauthenticated`. */
  admit(need: Need, secret: string | undefined): KeyUse | undefined {
    if (this.#ring === undefined || need === 'nothing') return undefined;
    const key = secret === undefined ? undefined : this.#ring.find(secret);
    if (key === undefined) {
      const message =
        secret === undefined
          ? 'This server requires an API key: send it as "Authorization: Bearer KEY".'
          : 'The API key is unknown or has expired: ask the operator for another one.';
      throw new SconceError('unauthenticated', message);
    }
    if (!meets(key.scopes, need)) {
      const message = `Key ${key.id} may not do this: it needs the scope "${need}" and has ${key.scopes.join(', ')}.`;
      return { key, counted: false, refusal: new SconceError('forbidden', message) };
    }
    const refused = this.#limits.begin(key);
    if (refused === undefined) return { key, counted: true };
    const { retryAfterSeconds } = refused;
    const message = `Too many requests: ${refused.refused}.`;
    return {
      key,
      counted: false,
      refusal: new SconceError('rate_limited', message, { details: { retryAfterSeconds } }),
    };
  }

  /** Ends a request for the limits of its key. To be called once. */
  release(use: KeyUse | undefined): void {
    if (use?.counted === true) this.#limits.end(use.key);
  }

  /** Writes the audit line of a request that changes models. */
  audit({ act, target, status, trace }: Act, use: KeyUse | undefined): void {
    const key = use?.key.id ?? (this.hasKeys ? 'unknown' : 'anyone');
    this.#logger.info({ audit: true, act, target, key, status, ...trace }, 'audit');
  }

  close(): void {
    this.#ring?.close();
  }
}

/** What the caller's key allows a request to need, if it says so. */
export function budgetOf(use: KeyUse | undefined): RequestBudget | undefined {
  return use?.key.budget;
}

/** Whose request this is: the owner of its key, else the key itself. Undefined if callers need no key. */
export function ownerOfUse(use: KeyUse | undefined): string | undefined {
  return use?.key.owner ?? use?.key.id;
}

/** The secret in the headers of a request (in the metadata of gRPC), which callers give in one of two ways. */
export function secretFrom(authorization: string | undefined, apiKey: unknown): string | undefined {
  const bearer = /^Bearer\s+(\S+)$/i.exec(authorization ?? '')?.[1];
  return bearer ?? (typeof apiKey === 'string' ? apiKey : undefined);
}
