import type { ModelMetadata, ModelReady, ModelStatsList, TritonConfig } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { ModelDirectory, ModelRepository } from '@sconce/models';
import type { ModelStatistics } from '@sconce/queue';
import { toModelConfig } from './model-config.ts';
import { toModelStats } from './model-stats.ts';
import { servedModel } from './served-model.ts';

export interface ProtocolModelsOptions {
  readonly directory: Pick<ModelDirectory, 'resolve'>;
  readonly repository: Pick<ModelRepository, 'list' | 'versions'>;
  /** The totals of a version. */
  readonly statistics: (model: string, version: string) => Promise<ModelStatistics> | ModelStatistics;
}

/** Models as the Open Inference Protocol and its extensions show them. Methods throw `model_not_found`, `model_not_ready`. */
export class ProtocolModels {
  readonly #options: ProtocolModelsOptions;

  constructor(options: ProtocolModelsOptions) {
    this.#options = options;
  }

  /** The statistics of all models that are ready. */
  async allStats(): Promise<ModelStatsList> {
    const { repository, statistics } = this.#options;
    const manifests = (await repository.list()).filter((manifest) => manifest.status === 'ready');
    const stats = manifests.map(async ({ name, version }) =>
      toModelStats(name, version, await statistics(name, version)),
    );
    return { model_stats: await Promise.all(stats) };
  }

  async metadata(model: string, version: string | undefined): Promise<ModelMetadata> {
    const { directory, repository } = this.#options;
    const { name, platform, signature } = await servedModel(directory, model, version);
    const versions = (await repository.versions(model))
      .filter((manifest) => manifest.status === 'ready')
      .map((manifest) => manifest.version);
    return { name, versions, platform, inputs: signature.inputs, outputs: signature.outputs };
  }

  /** Whether a model takes requests now. Throws `model_not_found`. */
  async ready(model: string, version: string | undefined): Promise<ModelReady> {
    try {
      await servedModel(this.#options.directory, model, version);
      return { name: model, ready: true };
    } catch (error) {
      if (!(error instanceof SconceError && error.code === 'model_not_ready')) throw error;
      return { name: model, ready: false };
    }
  }

  async config(model: string, version: string | undefined): Promise<TritonConfig> {
    return toModelConfig(await servedModel(this.#options.directory, model, version));
  }

  async stats(model: string, version: string | undefined): Promise<ModelStatsList> {
    const { directory, statistics } = this.#options;
    const { name, version: own } = await servedModel(directory, model, version);
    return { model_stats: [toModelStats(name, own, await statistics(name, own))] };
  }
}
