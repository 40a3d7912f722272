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

  /**
   * @throws SconceError `unsupported` for parameters that would replace the config or the files; `invalid_request` for other parameters;
   * `model_not_found`.
   */
  async load(model: string, parameters: Readonly<Record<string, unknown>>): Promise<void> {
    const override = Object.keys(parameters).find((name) => name === 'config' || name.startsWith('file:'));
    if (override !== undefined) {
      throw new SconceError(
        'unsupported',
        `Loading with parameter "${override}" is not supported; upload the file with PUT /v1/models/${model}/versions/{version}.`,
        { details: { param: override } },
      );
    }
    refuseOthers(parameters, []);
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

  /** Models have no dependents, so `unload_dependents` changes nothing. @throws SconceError `invalid_request` for other parameters; `model_not_found`. */
  async unload(model: string, parameters: Readonly<Record<string, unknown>>): Promise<void> {
    refuseOthers(parameters, ['unload_dependents']);
    await this.#setLoaded(model, false);
    await this.#options.producer.notify({ kind: 'unload', model });
  }

  async #setLoaded(model: string, loaded: boolean): Promise<void> {
    await this.#options.repository.setState(model, { loaded });
    this.#options.directory.invalidate(model);
  }
}

/** @throws SconceError `invalid_request` that names a parameter which is not one of `known`. */
function refuseOthers(parameters: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  const param = Object.keys(parameters).find((name) => !known.includes(name));
  if (param === undefined) return;
  throw new SconceError(
    'invalid_request',
    `There is no parameter "${param.slice(0, 64)}"; expected ${known.join(', ') || 'none'}.`,
    {
      details: { param },
    },
  );
}
