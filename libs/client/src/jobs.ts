import type { Job, JobStatus } from '@sconce/contracts';
import { SconceError, deserializeError } from '@sconce/errors';
import type { InferCall } from '@sconce/tensor';
import type { Http } from './http.ts';
import { postInference, readInference, type InferResult } from './inference.ts';
import { pages } from './pages.ts';
import { pause } from './pause.ts';

export interface SubmitOptions {
  /** Default: the default version of the model. */
  readonly version?: string;
  readonly idempotencyKey?: string;
  /** Whether to retry while the queue is full. */
  readonly retry?: boolean;
  readonly signal?: AbortSignal;
}

/** Which jobs to list. */
export interface JobFilter {
  readonly status?: JobStatus;
  readonly model?: string;
  readonly version?: string;
  /** Jobs that were created then or later. */
  readonly createdFrom?: Date;
  /** Jobs that were created before. */
  readonly createdBefore?: Date;
}

const PAGE_SIZE = 100;
const SUBMIT_ATTEMPTS = 10;
const POLL_ATTEMPTS = 5;
const RETRY_DEFAULT_MS = 500;
const RETRY_MAX_MS = 30_000;
const POLL_FIRST_MS = 4;
const POLL_MAX_MS = 500;

/** Asynchronous requests: submit, list, wait, fetch, cancel. */
export class JobsClient {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /**
   * Submits a job. With `idempotencyKey`, a repeated submission gets the job of the first one. Throws `queue_full`: at once,
   * or with `retry` after ten attempts. The server says how long to wait between attempts.
   */
  async submit(model: string, call: Omit<InferCall, 'extra'>, options: SubmitOptions = {}): Promise<Job> {
    const { version, signal } = options;
    const headers: Record<string, string> =
      options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey };
    const send = async (): Promise<Job> => {
      const named = { ...call, extra: { model, version } };
      const response = await postInference(this.#http, '/v1/jobs', named, { headers, signal });
      return this.#http.read<Job>(response, { signal });
    };
    return retryWhileFull(send, options.retry === true ? SUBMIT_ATTEMPTS : 1, signal);
  }

  async get(id: string, options: { signal?: AbortSignal } = {}): Promise<Job> {
    return this.#http.json<Job>(`/v1/jobs/${encodeURIComponent(id)}`, options);
  }

  /** Jobs of the key's owner, newest first; for a key with `admin` all jobs. Requests whose caller waited are no jobs. */
  list(filter: JobFilter = {}): AsyncGenerator<Job> {
    const { createdFrom: from, createdBefore: before, ...same } = filter;
    const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
    for (const [name, value] of Object.entries(same)) if (value !== undefined) query.set(name, value);
    if (from !== undefined) query.set('created_from', String(from.getTime() / 1_000));
    if (before !== undefined) query.set('created_before', String(before.getTime() / 1_000));
    return pages((after) => this.#http.json(`/v1/jobs?${query.toString()}${after}`));
  }

  /** The outputs of a succeeded job. Throws `job_not_finished`, `job_cancelled`, or the error of the job. */
  async result(id: string): Promise<InferResult> {
    return readInference(this.#http, await this.#http.request(`/v1/jobs/${encodeURIComponent(id)}/result`));
  }

  async cancel(id: string): Promise<Job> {
    return this.#http.json<Job>(`/v1/jobs/${encodeURIComponent(id)}`, { method: 'DELETE' });
  }

  /** Waits until a job has succeeded. Throws the error of the job, or `job_cancelled`. */
  async wait(id: string, options: { signal?: AbortSignal } = {}): Promise<Job> {
    for (let waitMs = POLL_FIRST_MS; ; waitMs = Math.min(POLL_MAX_MS, waitMs * 1.3)) {
      const job = await retryWhileFull(() => this.get(id, options), POLL_ATTEMPTS, options.signal);
      if (job.status === 'succeeded') return job;
      if (job.status === 'failed') throw deserializeError(job.error);
      if (job.status === 'cancelled') throw new SconceError('job_cancelled', `Job "${id}" was cancelled.`);
      await pause(waitMs, options.signal);
    }
  }
}

/** Repeats a call that the server refused with 429, after the time that the server names (default 500 ms, at most 30 s). */
async function retryWhileFull<T>(
  call: () => Promise<T>,
  attempts: number,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof SconceError) || error.details['status'] !== 429 || attempt >= attempts) throw error;
      const seconds = error.details['retryAfterSeconds'];
      const waitMs = typeof seconds === 'number' ? Math.max(0, seconds) * 1_000 : RETRY_DEFAULT_MS;
      await pause(Math.min(RETRY_MAX_MS, waitMs), signal);
    }
  }
}
