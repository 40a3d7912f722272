import type { ModelMetadata, ServerReady, Trace } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { InferCall } from '@sconce/tensor';
import { BatchesClient } from './batches.ts';
import { FilesClient } from './files.ts';
import { Http, type HttpOptions } from './http.ts';
import { postInference, readInference, type InferResult } from './inference.ts';
import { JobsClient } from './jobs.ts';
import { ModelStatesClient } from './model-state.ts';
import { ModelsClient } from './models.ts';

export interface InferOptions {
  /** Default: the model's default version. */
  readonly version?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A client of the Sconce API. Every failure is a SconceError: the error of the server, or `server_unreachable`. */
export class SconceClient {
  readonly url: string;
  readonly models: ModelsClient;
  readonly modelStates: ModelStatesClient;
  readonly jobs: JobsClient;
  readonly files: FilesClient;
  readonly batches: BatchesClient;
  readonly #http: Http;

  constructor(options: HttpOptions) {
    this.#http = new Http(options);
    this.url = this.#http.url;
    this.models = new ModelsClient(this.#http);
    this.modelStates = new ModelStatesClient(this.#http);
    this.jobs = new JobsClient(this.#http);
    this.files = new FilesClient(this.#http);
    this.batches = new BatchesClient(this.#http);
  }

  /**
   * Runs one request and waits for its answer. The server ends it after `timeoutMs` (`deadline_exceeded`), or after its own
   * limit if that is shorter.
   */
  async infer(model: string, call: InferCall, options: InferOptions = {}): Promise<InferResult> {
    const { timeoutMs, signal } = options;
    // The protocol counts microseconds.
    const timeout = Math.max(1, Math.round((timeoutMs ?? 0) * 1_000));
    const timed = timeoutMs === undefined ? call : { ...call, parameters: { ...call.parameters, timeout } };
    const response = await postInference(this.#http, `${protocolPath(model, options.version)}/infer`, timed, options);
    return readInference(this.#http, response, signal);
  }

  /** The address of a trace in the trace backend of the server. Throws `not_found` if the server has no trace backend. */
  async traceUrl(id: string): Promise<string> {
    return (await this.#http.json<Trace>(`/v1/traces/${encodeURIComponent(id)}`)).url;
  }

  /** Whether the server takes requests now. Throws `server_unreachable` if no server answers. */
  async ready(options: { signal?: AbortSignal } = {}): Promise<boolean> {
    try {
      await this.#http.json<ServerReady>('/v2/health/ready', options);
      return true;
    } catch (error) {
      if (error instanceof SconceError && error.details['status'] === 503) return false;
      throw error;
    }
  }

  /** Inputs and outputs of a served model. Throws `model_not_found`, `model_not_ready`. */
  async metadata(model: string, version?: string): Promise<ModelMetadata> {
    return this.#http.json<ModelMetadata>(protocolPath(model, version));
  }
}

function protocolPath(model: string, version: string | undefined): string {
  const path = `/v2/models/${encodeURIComponent(model)}`;
  return version === undefined ? path : `${path}/versions/${encodeURIComponent(version)}`;
}
