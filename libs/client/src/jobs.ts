import { setTimeout as delay } from 'node:timers/promises';
import { SconceError, deserializeError } from '@sconce/errors';
import type { InferCall } from '@sconce/tensor';
import type { Http } from './http.ts';
import { postInference, readInference, type InferResult } from './inference.ts';

/** queued → running → succeeded | failed | cancelled. */
export type JobStatus = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** An asynchronous request, as the API shows it; times are epoch seconds. */
export interface Job {
  readonly id: string;
  readonly object: 'job';
  readonly model: string;
  readonly version: string;
  readonly status: JobStatus;
  readonly created_at: number;
  readonly started_at?: number;
  readonly finished_at?: number;
  readonly error?: { readonly code: string; readonly message: string };
  readonly timing?: {
    readonly queue_ms: number;
    readonly batch_ms: number;
    readonly run_ms: number;
    readonly batch_rows: number;
  };
}

const POLL_FIRST_MS = 4;
const POLL_MAX_MS = 500;

/** Asynchronous requests: submit, wait, fetch, cancel. */
export class JobsClient {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Submits a job. With `idempotencyKey` a repeated submission gets the first one's job. Throws `queue_full`. */
  async submit(
    model: string,
    call: Omit<InferCall, 'extra'>,
    options: { version?: string; idempotencyKey?: string } = {},
  ): Promise<Job> {
    const extra = { model, ...(options.version === undefined ? {} : { version: options.version }) };
    const headers: Record<string, string> =
      options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey };
    const response = await postInference(this.#http, '/v1/jobs', { ...call, extra }, { headers });
    return (await response.json()) as Job;
  }

  async get(id: string): Promise<Job> {
    return this.#http.json<Job>(`/v1/jobs/${encodeURIComponent(id)}`);
  }

  /** A succeeded job's outputs. Throws `job_not_finished`, `job_cancelled`, or what the job failed with. */
  async result(id: string): Promise<InferResult> {
    return readInference(await this.#http.request(`/v1/jobs/${encodeURIComponent(id)}/result`));
  }

  async cancel(id: string): Promise<Job> {
    return this.#http.json<Job>(`/v1/jobs/${encodeURIComponent(id)}`, { method: 'DELETE' });
  }

  /** Waits until a job has succeeded. Throws what it failed with, or `job_cancelled`. */
  async wait(id: string, options: { signal?: AbortSignal } = {}): Promise<Job> {
    for (let waitMs = POLL_FIRST_MS; ; waitMs = Math.min(POLL_MAX_MS, waitMs * 1.3)) {
      const job = await this.get(id);
      if (job.status === 'succeeded') return job;
      if (job.status === 'failed') throw deserializeError(job.error);
      if (job.status === 'cancelled') throw new SconceError('job_cancelled', `Job "${id}" was cancelled.`);
      await delay(waitMs, undefined, options.signal === undefined ? {} : { signal: options.signal });
    }
  }
}
