import { SconceError } from '@sconce/errors';
import type { ModelDirectory, ModelRepository } from '@sconce/models';
import type { InferenceProducer } from '@sconce/queue';

export interface ModelLoadingOptions {
  readonly repository: Pick<ModelRepository, 'setState'>;
  readonly directory: Pick<ModelDirectory, 'invalidate'>;
  readonly producer: Pick<InferenceProducer, 'notify'>;
}

/** Loads and unloads models, for the model repository extension. */
export class ModelLoading {
  readonly #options: ModelLoadingOptions;

  constructor(options: ModelLoadingOptions) {
    this.#options = options;
  }

  /** @throws SconceError `unsupported` for parameters that would replace the config or the files; `model_not_found`. */
  async load(model: string, parameters: Readonly<Record<string, unknown>>): Promise<void> {
    const override = Object.keys(parameters).find((name) => name === 'config' || name.startsWith('file:'));
    if (override !== undefined) {
      throw new SconceError(
        'unsupported',
        `Loading with parameter "${override}" is not supported; upload the file with PUT /v1/models/${model}/versions/{version}.`,
        { details: { param: override } },
      );
    }
    try {
      await this.#setLoaded(model, true);
    } catch (error) {
      if (!(error instanceof SconceError)) throw error;
      // Triton's words, which its clients look for.
      throw new SconceError(error.code, `failed to load '${model}': ${error.message}`, {
        details: error.details,
        cause: error,
      });
    }
  }

  /** @throws SconceError `model_not_found`. */
  async unload(model: string): Promise<void> {
    await this.#setLoaded(model, false);
    await this.#options.producer.notify({ kind: 'unload', model });
  }

  async #setLoaded(model: string, loaded: boolean): Promise<void> {
    await this.#options.repository.setState(model, { loaded });
    this.#options.directory.invalidate(model);
  }
}
