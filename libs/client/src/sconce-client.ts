import type { InferCall, TensorSpec } from '@sconce/tensor';
import { Http, type HttpOptions } from './http.ts';
import { postInference, readInference, type InferResult } from './inference.ts';
import { JobsClient } from './jobs.ts';
import { ModelsClient } from './models.ts';

/** A model as the Open Inference Protocol describes it; -1 in a shape is a free axis. */
export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** A client of the Sconce API. Every failure is a SconceError: the server's own, or `server_unreachable`. */
export class SconceClient {
  readonly url: string;
  readonly models: ModelsClient;
  readonly jobs: JobsClient;
  readonly #http: Http;

  constructor(options: HttpOptions) {
    this.#http = new Http(options);
    this.url = this.#http.url;
    this.models = new ModelsClient(this.#http);
    this.jobs = new JobsClient(this.#http);
  }

  /** Runs one request and waits for its answer. */
  async infer(
    model: string,
    call: InferCall,
    options: { version?: string; headers?: Readonly<Record<string, string>>; signal?: AbortSignal } = {},
  ): Promise<InferResult> {
    const response = await postInference(this.#http, `${protocolPath(model, options.version)}/infer`, call, options);
    return readInference(response);
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
