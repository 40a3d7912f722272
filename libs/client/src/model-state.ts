import type { Http } from './http.ts';
import type { ModelVersion } from './models.ts';

/** One version as listings show it. */
export interface ListedVersion extends ModelVersion {
  /** Whether requests that name no version get it. */
  readonly serving: boolean;
  /** All its files in the store. */
  readonly disk_bytes: number;
}

/** What holds for all versions of a model. */
export interface ModelSettings {
  /** What requests without a version get: `latest` (the highest that is ready), or a version. */
  readonly default_version: string;
  /** Whether the model is served. */
  readonly loaded: boolean;
  /** Whether threads that hold the model keep it when others need room. */
  readonly keep_loaded: boolean;
}

/** A model with its versions. */
export interface ModelState extends ModelSettings {
  readonly name: string;
  /** The version that requests without a version get now; null where they are refused. */
  readonly serving: string | null;
  readonly disk_bytes: number;
  readonly versions: readonly ListedVersion[];
}

/** Which version of a model serves, and whether it is served at all. */
export class ModelStatesClient {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Every version of every model. */
  async list(): Promise<readonly ListedVersion[]> {
    return (await this.#http.json<{ data: ListedVersion[] }>('/v1/models')).data;
  }

  /** One model. Throws `model_not_found`. */
  async get(name: string): Promise<ModelState> {
    return this.#http.json<ModelState>(pathOf(name));
  }

  /** Changes all that is given in one step. Throws `model_not_found`, `model_not_ready` for a default that is not ready. */
  async set(name: string, settings: Partial<ModelSettings>): Promise<ModelState> {
    return this.#http.json<ModelState>(pathOf(name), {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(settings),
    });
  }
}

function pathOf(name: string): string {
  return `/v1/models/${encodeURIComponent(name)}`;
}
