import { setTimeout as delay } from 'node:timers/promises';
import { SconceError } from '@sconce/errors';
import type { TensorSpec } from '@sconce/tensor';
import type { Http, RequestOptions } from './http.ts';

/** Where a version stands: the last two are final. */
export type ModelStatus = 'receiving' | 'compiling' | 'proving' | 'optimising' | 'ready' | 'failed';

/** One version of a model, as the API shows it. */
export interface ModelVersion {
  readonly name: string;
  readonly version: string;
  readonly status: ModelStatus;
  readonly error?: { readonly code: string; readonly message: string };
  readonly platform: string;
  readonly signature?: { readonly inputs: readonly TensorSpec[]; readonly outputs: readonly TensorSpec[] };
  readonly batch?: { readonly axis: 'dynamic' | 'locked' | 'none'; readonly size?: number; readonly evidence: string };
  readonly size_bytes: number;
  readonly created_at: string;
  readonly updated_at: string;
}

export interface PushOptions {
  /** Default: the next free number. */
  readonly version?: string;
  /** The workers that serve it. */
  readonly pool?: string;
  /** Told how many bytes have been handed to the connection so far. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

const POLL_FIRST_MS = 25;
const POLL_MAX_MS = 500;

/** Models: push, look at, remove. */
export class ModelsClient {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Every version of every model. */
  async list(): Promise<readonly ModelVersion[]> {
    return (await this.#http.json<{ data: ModelVersion[] }>('/v1/models')).data;
  }

  /** A model's versions. Throws `model_not_found`. */
  async versions(name: string): Promise<readonly ModelVersion[]> {
    return (await this.#http.json<{ versions: ModelVersion[] }>(`/v1/models/${encodeURIComponent(name)}`)).versions;
  }

  /** One version. Throws `model_not_found`. */
  async get(name: string, version: string, options: { signal?: AbortSignal } = {}): Promise<ModelVersion> {
    return this.#http.json<ModelVersion>(pathOf(name, version), options);
  }

  /** Uploads an artifact (a stream is never held in memory); without `version` as the next number. */
  async push(
    name: string,
    body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
    options: PushOptions = {},
  ): Promise<ModelVersion> {
    const path =
      options.version === undefined ? `/v1/models/${encodeURIComponent(name)}/versions` : pathOf(name, options.version);
    const query = options.pool === undefined ? '' : `?pool=${encodeURIComponent(options.pool)}`;
    const init: RequestOptions = {
      method: options.version === undefined ? 'POST' : 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      body: options.onProgress === undefined ? body : counted(body, options.onProgress),
      duplex: 'half',
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    };
    return this.#http.json<ModelVersion>(`${path}${query}`, init);
  }

  /** Waits until a version is ready. Throws `model_invalid` with the reason where registration failed. */
  async waitUntilReady(
    name: string,
    version: string,
    options: { onStatus?: (status: ModelStatus) => void; signal?: AbortSignal } = {},
  ): Promise<ModelVersion> {
    const signal = options.signal === undefined ? {} : { signal: options.signal };
    let shown: ModelStatus | undefined;
    for (let waitMs = POLL_FIRST_MS; ; waitMs = Math.min(POLL_MAX_MS, waitMs * 1.5)) {
      const model = await this.get(name, version, signal);
      if (model.status !== shown) options.onStatus?.(model.status);
      shown = model.status;
      if (model.status === 'ready') return model;
      if (model.status === 'failed') {
        throw new SconceError('model_invalid', model.error?.message ?? 'Registration failed.', {
          details: { reason: model.error?.code },
        });
      }
      await delay(waitMs, undefined, signal);
    }
  }

  /** Removes a version. Throws `model_not_found`; without `force`, `version_in_use` where somebody uses it. */
  async remove(name: string, version: string, options: { force?: boolean } = {}): Promise<void> {
    const query = options.force === true ? '?force=true' : '';
    await this.#http.request(`${pathOf(name, version)}${query}`, { method: 'DELETE' });
  }
}

function pathOf(name: string, version: string): string {
  return `/v1/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`;
}

const UPLOAD_CHUNK_BYTES = 256 * 1024;

function counted(
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
  onProgress: (bytes: number) => void,
): ReadableStream<Uint8Array> {
  let sent = 0;
  const source = body instanceof ReadableStream ? body : ReadableStream.from(slices(body));
  return source.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        sent += chunk.byteLength;
        onProgress(sent);
        controller.enqueue(chunk);
      },
    }),
  );
}

function* slices(bytes: Uint8Array<ArrayBuffer>): Generator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < bytes.byteLength; at += UPLOAD_CHUNK_BYTES) yield bytes.subarray(at, at + UPLOAD_CHUNK_BYTES);
}
