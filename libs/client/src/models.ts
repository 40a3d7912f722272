import type { ListedVersion, Model, ModelList, ModelStatus, ModelVersion } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { Http, RequestOptions } from './http.ts';
import { pause } from './pause.ts';
import { pushBody, type ArtifactBody, type PushParts } from './push-body.ts';

/** Options of a push. */
export interface PushOptions extends PushParts {
  /** Default: the next free number. */
  readonly version?: string;
  /** The workers that serve it. */
  readonly pool?: string;
  readonly signal?: AbortSignal;
}

const POLL_FIRST_MS = 25;
const POLL_MAX_MS = 250;

/** Models: push, get, list, remove. */
export class ModelsClient {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Every version of every model. */
  async list(): Promise<readonly ListedVersion[]> {
    return (await this.#http.json<ModelList>('/v1/models')).data;
  }

  /** A model's versions. Throws `model_not_found`. */
  async versions(name: string): Promise<readonly ListedVersion[]> {
    return (await this.#http.json<Model>(`/v1/models/${encodeURIComponent(name)}`)).versions;
  }

  /** One version. Throws `model_not_found`. */
  async get(name: string, version: string, options: { signal?: AbortSignal } = {}): Promise<ModelVersion> {
    return this.#http.json<ModelVersion>(pathOf(name, version), options);
  }

  /** Uploads an artifact. Without `version` it gets the next number. A stream is never held in memory. */
  async push(name: string, artifact: ArtifactBody, options: PushOptions = {}): Promise<ModelVersion> {
    const path =
      options.version === undefined ? `/v1/models/${encodeURIComponent(name)}/versions` : pathOf(name, options.version);
    const query = options.pool === undefined ? '' : `?pool=${encodeURIComponent(options.pool)}`;
    const { body, contentType } = pushBody(artifact, options);
    const init: RequestOptions = {
      method: options.version === undefined ? 'POST' : 'PUT',
      headers: { 'content-type': contentType },
      body,
      signal: options.signal,
    };
    return this.#http.json<ModelVersion>(`${path}${query}`, init);
  }

  /**
   * Waits until a version is ready. Throws `model_invalid` if registration failed: `details.reason` has the code, and
   * `details.model` the version.
   */
  async waitUntilReady(
    name: string,
    version: string,
    options: { onStatus?: (status: ModelStatus, model: ModelVersion) => void; signal?: AbortSignal } = {},
  ): Promise<ModelVersion> {
    let shown: ModelStatus | undefined;
    for (let waitMs = POLL_FIRST_MS; ; waitMs = Math.min(POLL_MAX_MS, waitMs * 1.25)) {
      const model = await this.get(name, version, options);
      if (model.status !== shown) options.onStatus?.(model.status, model);
      shown = model.status;
      if (model.status === 'ready') return model;
      if (model.status === 'failed') {
        throw new SconceError('model_invalid', model.error?.message ?? 'Registration failed.', {
          details: { reason: model.error?.code, model },
        });
      }
      await pause(waitMs, options.signal);
    }
  }

  /** Removes a version. Throws `model_not_found`; without `force`, `version_in_use` if it is in use. */
  async remove(name: string, version: string, options: { force?: boolean } = {}): Promise<void> {
    const query = options.force === true ? '?force=true' : '';
    await this.#http.request(`${pathOf(name, version)}${query}`, { method: 'DELETE' });
  }
}

function pathOf(name: string, version: string): string {
  return `/v1/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`;
}
