import type { Batch, RowError } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { hasEnded, type BatchRequest, type TableRequest } from './batch-request.ts';
import { formBody, type FileBody } from './form-body.ts';
import type { Http } from './http.ts';
import { linesOf } from './lines.ts';
import { pages, type Page } from './pages.ts';
import { pause } from './pause.ts';

const RECONNECT_MS = 1_000;
const MAX_RECONNECTS = 30;

interface CallOptions {
  readonly signal?: AbortSignal;
}

/** What may be said about a submission. */
export interface SubmitBatchOptions extends CallOptions {
  /** The same key and request give the same batch. */
  readonly idempotencyKey?: string;
}

/** A dataset that comes along with its request. */
export interface ScoreOptions extends SubmitBatchOptions {
  /** The format may be told by it: `rows.csv`. */
  readonly filename: string;
  readonly onProgress?: (bytes: number) => void;
}

/** Batches: score datasets, watch, fetch results, cancel, retry. */
export class BatchesClient {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Submits a batch over a dataset that is there. Throws `invalid_request`, `model_not_found`, `file_not_found`, `queue_full`. */
  async create(request: BatchRequest, options: SubmitBatchOptions = {}): Promise<Batch> {
    return this.#post({ body: JSON.stringify(request), headers: { 'content-type': 'application/json' } }, options);
  }

  /** Uploads a dataset and scores it: one request. A stream or a Blob is never held in memory. */
  async score(request: TableRequest, dataset: FileBody, options: ScoreOptions): Promise<Batch> {
    const { filename, onProgress } = options;
    const form = formBody(dataset, { fields: { request: JSON.stringify(request) }, filename, onProgress });
    return this.#post(form, options);
  }

  /** Throws `batch_not_found`. */
  async get(id: string, options: CallOptions = {}): Promise<Batch> {
    return this.#http.json<Batch>(pathOf(id), options);
  }

  /** All batches, newest first, page by page as they are asked for. */
  list(): AsyncGenerator<Batch> {
    return pages((after) => this.#http.json<Page<Batch>>(`/v1/batches?limit=100${after}`));
  }

  /** What has been scored can be fetched; a batch that has ended stays as it is. */
  async cancel(id: string): Promise<Batch> {
    return this.#http.json<Batch>(`${pathOf(id)}/cancel`, { method: 'POST' });
  }

  /** Of a batch that has ended: runs again what failed, was cancelled or not reached. */
  async retry(id: string): Promise<Batch> {
    return this.#http.json<Batch>(`${pathOf(id)}/retry`, { method: 'POST' });
  }

  /** The batch whenever it has changed, until it has ended: also over lost connections. */
  async *progress(id: string, options: CallOptions = {}): AsyncGenerator<Batch> {
    for (let failures = 0; ; failures += 1) {
      try {
        for await (const batch of this.#events(id, options)) {
          failures = 0;
          yield batch;
          if (hasEnded(batch)) return;
        }
      } catch (error) {
        const isLost =
          error instanceof SconceError && (error.code === 'server_unreachable' || error.details['status'] === 503);
        if (!isLost || failures >= MAX_RECONNECTS) throw error;
      }
      await pause(RECONNECT_MS, options.signal);
    }
  }

  /** Waits until a batch has ended, however it did. */
  async wait(id: string, options: CallOptions & { readonly onProgress?: (batch: Batch) => void } = {}): Promise<Batch> {
    let last: Batch | undefined;
    for await (const batch of this.progress(id, options)) {
      options.onProgress?.(batch);
      last = batch;
    }
    return last ?? this.get(id, options);
  }

  /** The results so far, as a file of the batch's output format. Throws `batch_not_finished` where nothing has been read yet. */
  async output(id: string, options: CallOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.#http.stream(`${pathOf(id)}/output`, options);
  }

  /** The rows of results in JSONL, one after the other. */
  async *rows<T = unknown>(id: string, options: CallOptions = {}): AsyncGenerator<T> {
    for await (const line of linesOf(await this.output(id, options))) yield JSON.parse(line) as T;
  }

  /** The rows that failed so far. */
  async *errors<T = RowError>(id: string, options: CallOptions = {}): AsyncGenerator<T> {
    for await (const line of linesOf(await this.errorLines(id, options))) yield JSON.parse(line) as T;
  }

  /** The rows that failed so far, as JSON lines. */
  async errorLines(id: string, options: CallOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.#http.stream(`${pathOf(id)}/errors`, options);
  }

  async *#events(id: string, options: CallOptions): AsyncGenerator<Batch> {
    const stream = await this.#http.stream(`${pathOf(id)}/events`, options);
    // Each event of ours is one line of data.
    for await (const line of linesOf(stream)) {
      if (line.startsWith('data: ')) yield JSON.parse(line.slice(6)) as Batch;
    }
  }

  async #post(
    {
      body,
      headers,
    }: { readonly body: string | FormData | ReadableStream<Uint8Array>; readonly headers: Record<string, string> },
    { idempotencyKey, signal }: SubmitBatchOptions,
  ): Promise<Batch> {
    return this.#http.json<Batch>('/v1/batches', {
      method: 'POST',
      headers: { ...headers, ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }) },
      body,
      signal,
    });
  }
}

function pathOf(id: string): string {
  return `/v1/batches/${encodeURIComponent(id)}`;
}
