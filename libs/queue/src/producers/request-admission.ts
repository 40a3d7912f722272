import type { ErrorCode, SconceError } from '@sconce/errors';
import { AnswerRate } from './answer-rate.ts';
import { queueFull } from './queue-full.ts';

const MAX_RETRY_AFTER_SECONDS = 60;
/** Request lines whose answer rate is remembered. */
const MAX_RATES = 1_024;
/** Errors that say nothing about how fast workers answer. */
const GIVEN_UP: ReadonlySet<ErrorCode> = new Set([
  'job_cancelled',
  'deadline_exceeded',
  'redis_unavailable',
  'shutting_down',
]);

/** The part of the limits that is added for owners who use less than such a part of them. */
const EXTRA_PART = 0.1;

/** A request that may wait for an answer. */
export interface Candidate {
  /** Its request line: requests that wait for each other. */
  readonly line: string;
  /** Owner of the caller's key. */
  readonly owner?: string;
  /** Of all inputs. */
  readonly bytes: number;
}

/** A request that was admitted. */
export interface Admitted extends Omit<Candidate, 'line'> {
  readonly rate: AnswerRate;
}

interface Use {
  requests: number;
  bytes: number;
}

/**
 * Bounds how many requests of one producer wait for an answer, and for how long, in all its lanes together. Owners who have few
 * requests waiting are admitted a little above the limits, so that one owner cannot use all the room.
 */
export class RequestAdmission {
  readonly #maxOutstanding: number;
  readonly #maxOutstandingBytes: number;
  /** By request line. */
  readonly #rates = new Map<string, AnswerRate>();
  readonly #owners = new Map<string, Use>();
  readonly #all: Use = { requests: 0, bytes: 0 };

  constructor(limits: { readonly maxOutstanding: number; readonly maxOutstandingBytes: number }) {
    this.#maxOutstanding = limits.maxOutstanding;
    this.#maxOutstandingBytes = limits.maxOutstandingBytes;
  }

  /** Requests that wait for an answer. */
  get outstanding(): number {
    return this.#all.requests;
  }

  /** @throws SconceError `queue_full` for a request that may not wait, or would wait past `deadlineMs` (epoch ms). */
  check({ line, owner, bytes }: Candidate, deadlineMs: number): void {
    const rate = this.#rates.get(line);
    const waitMs = rate?.expectedWaitMs();
    if (rate !== undefined && waitMs !== undefined) {
      const lateMs = waitMs - Math.max(0, deadlineMs - Date.now());
      if (lateMs > 0) throw tooLate(rate.outstanding, lateMs);
    }
    const own = owner === undefined ? undefined : this.#owners.get(owner);
    const most = (limit: number, used = 0): number =>
      owner !== undefined && used < EXTRA_PART * limit ? (1 + EXTRA_PART) * limit : limit;
    if (this.#all.requests >= most(this.#maxOutstanding, own?.requests)) {
      throw queueFull(`${this.#all.requests} requests are already waiting for an answer`, 1);
    }
    if (this.#all.bytes + bytes > most(this.#maxOutstandingBytes, own?.bytes) && this.#all.requests > 0) {
      throw queueFull(`${this.#all.bytes} bytes of requests are already waiting for an answer`, 1);
    }
  }

  /** Counts a request that begins to wait. */
  begin(request: Candidate, nowMs: number): Admitted {
    const { line, owner, bytes } = request;
    const rate = this.#rateOf(line);
    rate.begin(nowMs);
    count(this.#all, 1, bytes);
    if (owner !== undefined) {
      const own = this.#owners.get(owner) ?? { requests: 0, bytes: 0 };
      this.#owners.set(owner, count(own, 1, bytes));
    }
    return { owner, bytes, rate };
  }

  /** A request has ended: with an answer, or with the code of an error. */
  end({ rate, owner, bytes }: Admitted, code?: ErrorCode): void {
    count(this.#all, -1, -bytes);
    const own = owner === undefined ? undefined : this.#owners.get(owner);
    if (owner !== undefined && own !== undefined && count(own, -1, -bytes).requests === 0) this.#owners.delete(owner);
    rate.end(Date.now(), code === undefined || !GIVEN_UP.has(code));
  }

  #rateOf(line: string): AnswerRate {
    const known = this.#rates.get(line);
    if (known !== undefined) return known;
    const rate = new AnswerRate();
    this.#rates.set(line, rate);
    if (this.#rates.size > MAX_RATES) {
      for (const [old, { outstanding }] of this.#rates) {
        if (outstanding > 0) continue;
        this.#rates.delete(old);
        break;
      }
    }
    return rate;
  }
}

function count(use: Use, requests: number, bytes: number): Use {
  use.requests += requests;
  use.bytes += bytes;
  return use;
}

function tooLate(outstanding: number, lateMs: number): SconceError {
  const lateSeconds = Math.max(1, Math.ceil(lateMs / 1_000));
  const why = `${outstanding} requests to this model are waiting, so an answer would come ${lateSeconds} s after the request's timeout`;
  return queueFull(why, Math.min(MAX_RETRY_AFTER_SECONDS, lateSeconds));
}
