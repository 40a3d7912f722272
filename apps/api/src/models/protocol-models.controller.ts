import { Controller, Get, HttpCode, Inject, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { ModelMetadata, ModelReady, ModelStatsList, TritonConfig } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { ModelRepository } from '@sconce/models';
import { InferenceProducer } from '@sconce/queue';
import { InferenceService } from '../inference/inference.service.ts';
import { toModelConfig } from './model-config.ts';
import { toModelStats } from './model-stats.ts';

/** Models as the Open Inference Protocol and its extensions show them. Each route exists with and without a version. */
@Controller('v2/models')
export class ProtocolModelsController {
  constructor(
    @Inject(InferenceService) private readonly inference: InferenceService,
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(InferenceProducer) private readonly producer: InferenceProducer,
  ) {}

  @Get('stats')
  async allStats(): Promise<ModelStatsList> {
    const manifests = (await this.repository.list()).filter((manifest) => manifest.status === 'ready');
    const stats = manifests.map(async ({ name, version }) =>
      toModelStats(name, version, await this.producer.statistics(name, version)),
    );
    return { model_stats: await Promise.all(stats) };
  }

  @Get([':model', ':model/versions/:version'])
  async metadata(@Param('model') model: string, @Param('version') version?: string): Promise<ModelMetadata> {
    const { name, platform, signature } = await this.inference.servedModel(model, version);
    const versions = (await this.repository.versions(model))
      .filter((manifest) => manifest.status === 'ready')
      .map((manifest) => manifest.version);
    return { name, versions, platform, inputs: signature.inputs, outputs: signature.outputs };
  }

  @Get([':model/ready', ':model/versions/:version/ready'])
  @HttpCode(200)
  async ready(
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('model') model: string,
    @Param('version') version?: string,
  ): Promise<ModelReady> {
    try {
      await this.inference.servedModel(model, version);
      return { name: model, ready: true };
    } catch (error) {
      if (!(error instanceof SconceError && error.code === 'model_not_ready')) throw error;
      void reply.status(503);
      return { name: model, ready: false };
    }
  }

  @Get([':model/config', ':model/versions/:version/config'])
  async config(@Param('model') model: string, @Param('version') version?: string): Promise<TritonConfig> {
    return toModelConfig(await this.inference.servedModel(model, version));
  }

  @Get([':model/stats', ':model/versions/:version/stats'])
  async stats(@Param('model') model: string, @Param('version') version?: string): Promise<ModelStatsList> {
    const manifest = await this.inference.servedModel(model, version);
    const statistics = await this.producer.statistics(manifest.name, manifest.version);
    return { model_stats: [toModelStats(manifest.name, manifest.version, statistics)] };
  }
}
