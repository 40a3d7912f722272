import type { Batch, BatchDryRun, BatchRequestInput, RowError } from '@sconce/contracts';
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

/** Options of a submission. */
export interface SubmitBatchOptions extends CallOptions {
  /** The same key and request give the same batch. */
  readonly idempotencyKey?: string;
}

/** Options of a dataset that is sent with its request. */
export interface ScoreOptions extends SubmitBatchOptions {
  /** The format is found by it unless the request gives one: `rows.csv`. */
  readonly filename: string;
  readonly onProgress?: (bytes: number) => void;
}

/** Batches: score datasets, watch, fetch results, cancel, retry. */
export class BatchesClient {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Submits a batch for a dataset that the server has or can read. Throws `invalid_request`, `model_not_found`, `file_not_found`, `queue_full`. */
  async create(request: BatchRequest, options: SubmitBatchOptions = {}): Promise<Batch> {
    return this.#post({ body: JSON.stringify(request), headers: { 'content-type': 'application/json' } }, options);
  }

  /** Uploads a dataset and submits its batch in one request. A stream or a Blob is never held in memory. */
  async score(request: TableRequest, dataset: FileBody, options: ScoreOptions): Promise<Batch> {
    const { filename, onProgress } = options;
    const form = formBody(dataset, { fields: { request: JSON.stringify(request) }, filename, onProgress });
    return this.#post(form, options);
  }

  /**
   * What a batch of a table would do: how the dataset is read, where inputs come from, the first rows with their results, and what to
   * change. The dataset comes with the call, or is named by the request. Throws `model_not_found`, `invalid_dataset`, ….
   */
  async dryRun(
    request: TableRequest & Pick<BatchRequestInput, 'input_file_id' | 'input_url'>,
    dataset?: FileBody,
    { filename = 'rows', signal }: CallOptions & { readonly filename?: string } = {},
  ): Promise<BatchDryRun> {
    const text = JSON.stringify(request);
    const sent =
      dataset === undefined
        ? { body: text, headers: { 'content-type': 'application/json' } }
        : formBody(dataset, { fields: { request: text }, filename });
    return this.#http.json<BatchDryRun>('/v1/batches?dry_run=true', { method: 'POST', ...sent, signal });
  }

  /** Throws `batch_not_found`. */
  async get(id: string, options: CallOptions = {}): Promise<Batch> {
    return this.#http.json<Batch>(pathOf(id), options);
  }

  /** All batches, newest first. Pages are fetched when they are needed. */
  list(): AsyncGenerator<Batch> {
    return pages((after) => this.#http.json<Page<Batch>>(`/v1/batches?limit=100${after}`));
  }

  /** Stops a batch. Rows that are scored can be fetched. A batch that has ended stays as it is. */
  async cancel(id: string): Promise<Batch> {
    return this.#http.json<Batch>(`${pathOf(id)}/cancel`, { method: 'POST' });
  }

  /** Runs rows again that failed, were cancelled or not reached. Only for a batch that has ended. */
  async retry(id: string): Promise<Batch> {
    return this.#http.json<Batch>(`${pathOf(id)}/retry`, { method: 'POST' });
  }

  /** Yields the batch whenever it has changed, until it has ended. Connects again when the connection is lost. */
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

  /** Waits until a batch has ended, in any final state. */
  async wait(id: string, options: CallOptions & { readonly onProgress?: (batch: Batch) => void } = {}): Promise<Batch> {
    let last: Batch | undefined;
    for await (const batch of this.progress(id, options)) {
      options.onProgress?.(batch);
      last = batch;
    }
    return last ?? this.get(id, options);
  }

  /** The results so far, as a file of the batch's output format. Throws `batch_not_finished` if the dataset has not been read yet. */
  async output(id: string, options: CallOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.#http.stream(`${pathOf(id)}/output`, options);
  }

  /** The rows of results in JSONL. */
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
    // The server writes one line of data per event.
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
