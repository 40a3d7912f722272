import type { ListedVersion, Model, ModelList, ModelSettings } from '@sconce/contracts';
import type { Http } from './http.ts';

/** Settings of models: which version serves, and whether the model is served. */
export class ModelStatesClient {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Every version of every model. */
  async list(): Promise<readonly ListedVersion[]> {
    return (await this.#http.json<ModelList>('/v1/models')).data;
  }

  /** One model. Throws `model_not_found`. */
  async get(name: string): Promise<Model> {
    return this.#http.json<Model>(pathOf(name));
  }

  /** Changes all given settings in one step. Throws `model_not_found`, `model_not_ready` for a default that is not ready. */
  async set(name: string, settings: Partial<ModelSettings>): Promise<Model> {
    return this.#http.json<Model>(pathOf(name), {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(settings),
    });
  }
}

function pathOf(name: string): string {
  return `/v1/models/${encodeURIComponent(name)}`;
}
