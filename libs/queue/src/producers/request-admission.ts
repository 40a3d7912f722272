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

/** A request that was admitted. */
export interface Admitted {
  readonly rate: AnswerRate;
  /** Of all inputs. */
  readonly bytes: number;
}

/** Bounds how many requests of one producer wait for an answer, and for how long, in all its lanes together. */
export class RequestAdmission {
  readonly #maxOutstanding: number;
  readonly #maxOutstandingBytes: number;
  /** By request line. */
  readonly #rates = new Map<string, AnswerRate>();
  #outstanding = 0;
  #bytes = 0;

  constructor(limits: { readonly maxOutstanding: number; readonly maxOutstandingBytes: number }) {
    this.#maxOutstanding = limits.maxOutstanding;
    this.#maxOutstandingBytes = limits.maxOutstandingBytes;
  }

  /** Requests that wait for an answer. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /**
   * Checks a request for a line. `deadlineMs` is epoch ms.
   *
   * @throws SconceError `queue_full` for a request that may not wait, or would wait past its deadline.
   */
  check(line: string, { bytes, deadlineMs }: { readonly bytes: number; readonly deadlineMs: number }): void {
    const rate = this.#rates.get(line);
    const waitMs = rate?.expectedWaitMs();
    if (rate !== undefined && waitMs !== undefined) {
      const lateMs = waitMs - Math.max(0, deadlineMs - Date.now());
      if (lateMs > 0) throw tooLate(rate.outstanding, lateMs);
    }
    if (this.#outstanding >= this.#maxOutstanding) {
      throw queueFull(`${this.#maxOutstanding} requests are already waiting for an answer`, 1);
    }
    if (this.#bytes + bytes > this.#maxOutstandingBytes && this.#outstanding > 0) {
      throw queueFull(`${this.#maxOutstandingBytes} bytes of requests are already waiting for an answer`, 1);
    }
  }

  /** Counts a request that begins to wait. */
  begin(line: string, bytes: number, nowMs: number): Admitted {
    const rate = this.#rateOf(line);
    rate.begin(nowMs);
    this.#outstanding += 1;
    this.#bytes += bytes;
    return { rate, bytes };
  }

  /** A request has ended: with an answer, or with the code of an error. */
  end({ rate, bytes }: Admitted, code?: ErrorCode): void {
    this.#outstanding -= 1;
    this.#bytes -= bytes;
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

function tooLate(outstanding: number, lateMs: number): SconceError {
  const lateSeconds = Math.max(1, Math.ceil(lateMs / 1_000));
  const why = `${outstanding} requests to this model are waiting, so an answer would come ${lateSeconds} s after the request's timeout`;
  return queueFull(why, Math.min(MAX_RETRY_AFTER_SECONDS, lateSeconds));
}
