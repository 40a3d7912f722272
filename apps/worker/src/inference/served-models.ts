import { Inject, Injectable } from '@nestjs/common';
import { ModelDirectory, ModelRepository, requireReady, type ModelManifest } from '@sconce/models';
import { SconceError } from '@sconce/errors';
import { InferencePool, type BatchableModel, type ModelFile } from '@sconce/runtime';
import { CONFIG } from '../tokens.ts';
import type { WorkerConfig } from '../config.ts';

/** From a model's name to what the batcher and the threads need of it. */
@Injectable()
export class ServedModels {
  constructor(
    @Inject(ModelDirectory) private readonly directory: ModelDirectory,
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(InferencePool) private readonly pool: InferencePool,
    @Inject(CONFIG) private readonly config: WorkerConfig,
  ) {}

  /** Throws `model_not_found`, `model_not_ready`. */
  async find(name: string, version: string): Promise<BatchableModel> {
    const { manifest } = await this.directory.resolve(name, version);
    const { signature, batch } = requireReady(manifest);
    if (signature === undefined)
      throw new SconceError('internal', `Model ${name}/${version} is ready without a signature`);
    return {
      name,
      version,
      file: await this.file(manifest),
      signature,
      axis: batch?.axis === 'dynamic' ? 'dynamic' : 'none',
      maxBatchRows: manifest.config.max_batch_size ?? this.config.runtime.maxBatchRows,
    };
  }

  /** The file of a version, proved or not. */
  async file(manifest: ModelManifest): Promise<ModelFile> {
    return {
      id: fileId(manifest),
      path: await this.repository.artifactPath(manifest),
      sizeBytes: manifest.artifact.size_bytes,
    };
  }

  /** Frees a model's sessions in every thread. */
  async unload(name: string, version?: string): Promise<void> {
    this.directory.invalidate(name);
    const manifests = await this.repository.versions(name).catch(() => []);
    for (const manifest of manifests) {
      if (version === undefined || manifest.version === version) this.pool.unload(fileId(manifest));
    }
  }
}

function fileId(manifest: ModelManifest): string {
  return `${manifest.name}/${manifest.version}@${manifest.artifact.sha256}`;
}
