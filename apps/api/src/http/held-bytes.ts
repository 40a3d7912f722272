import { SconceError } from '@sconce/errors';

/** Smaller bodies and answers are not counted. */
export const HELD_FROM_BYTES = 64 * 1024;

const SETTING = 'SCONCE_MAX_HELD_BYTES';
/** The part of the limit that is added for owners who hold less than such a part of it. */
const EXTRA_PART = 0.1;
const RETRY_AFTER_SECONDS = 1;

/**
 * Bounds the bytes that this process holds for requests under way: large bodies, the tensors made of them, and large answers until their
 * callers have taken them. Owners who hold little are admitted a little above the limit, so that one owner cannot use all the room (ADR 40).
 */
export class HeldBytes {
  readonly #limit: number;
  readonly #owners = new Map<string, number>();
  #all = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  /** Bytes that are held. */
  get bytes(): number {
    return this.#all;
  }

  /** What one request holds: at first, nothing. */
  begin(owner: string | undefined): Hold {
    return new Hold(this, owner);
  }

  /** For `Hold` alone: a request of this owner holds `to` instead of `from` bytes. @throws SconceError as `Hold.set` does. */
  change(owner: string | undefined, from: number, to: number): void {
    if (to > from) this.#check(owner, from, to);
    this.#all += to - from;
    if (owner === undefined) return;
    const own = (this.#owners.get(owner) ?? 0) + to - from;
    if (own > 0) this.#owners.set(owner, own);
    else this.#owners.delete(owner);
  }

  #check(owner: string | undefined, from: number, to: number): void {
    const limit = this.#limit;
    const details = { budget: 'held_bytes', limit, setting: SETTING };
    if (to > limit) {
      const needs = `the request is over its budget held_bytes: the server would hold ${to} bytes for it; allowed are ${limit}`;
      const message = `${needs}. Make the request or its answer smaller, or raise ${SETTING}.`;
      throw new SconceError('over_budget', message, { details: { ...details, value: to } });
    }
    const isSmallOwner = owner !== undefined && (this.#owners.get(owner) ?? 0) < EXTRA_PART * limit;
    const value = this.#all + to - from;
    if (value <= (isSmallOwner ? (1 + EXTRA_PART) * limit : limit)) return;
    const held = `the server holds ${this.#all} bytes of bodies and answers, and this request needs ${to - from} more`;
    throw new SconceError(
      'queue_full',
      `Over the budget held_bytes: ${held}; allowed are ${limit}. Try again in ${RETRY_AFTER_SECONDS} s, or raise ${SETTING}.`,
      { details: { ...details, value, retryAfterSeconds: RETRY_AFTER_SECONDS } },
    );
  }
}

/** The bytes that one request holds. States: *open* → *ended* (`end`; then `set` does nothing). */
export class Hold {
  readonly #all: HeldBytes;
  readonly #owner: string | undefined;
  #bytes = 0;
  #hasEnded = false;

  constructor(all: HeldBytes, owner: string | undefined) {
    this.#all = all;
    this.#owner = owner;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The request holds so many bytes from now on.
   * @throws SconceError `queue_full` if there is no room now, `over_budget` if there never is. What it holds stays the same then.
   */
  set(bytes: number): void {
    if (this.#hasEnded) return;
    this.#all.change(this.#owner, this.#bytes, bytes);
    this.#bytes = bytes;
  }

  /** The request needs so many bytes in addition. @throws SconceError as `set`. */
  add(bytes: number): void {
    this.set(this.#bytes + bytes);
  }

  /** The request holds nothing any more. Calling it again does nothing. */
  end(): void {
    if (this.#hasEnded) return;
    this.set(0);
    this.#hasEnded = true;
  }
}
