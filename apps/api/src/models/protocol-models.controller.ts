import { Controller, Get, HttpCode, Inject, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { ModelMetadata, ModelReady, ModelStatsList, TritonConfig } from '@sconce/contracts';
import { ProtocolModels } from './protocol-models.ts';

/** Models as the Open Inference Protocol and its extensions show them. Each route exists with and without a version. */
@Controller('v2/models')
export class ProtocolModelsController {
  constructor(@Inject(ProtocolModels) private readonly models: ProtocolModels) {}

  @Get('stats')
  async allStats(): Promise<ModelStatsList> {
    return this.models.allStats();
  }

  @Get([':model', ':model/versions/:version'])
  async metadata(@Param('model') model: string, @Param('version') version?: string): Promise<ModelMetadata> {
    return this.models.metadata(model, version);
  }

  @Get([':model/ready', ':model/versions/:version/ready'])
  @HttpCode(200)
  async ready(
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('model') model: string,
    @Param('version') version?: string,
  ): Promise<ModelReady> {
    const answer = await this.models.ready(model, version);
    if (!answer.ready) void reply.status(503);
    return answer;
  }

  @Get([':model/config', ':model/versions/:version/config'])
  async config(@Param('model') model: string, @Param('version') version?: string): Promise<TritonConfig> {
    return this.models.config(model, version);
  }

  @Get([':model/stats', ':model/versions/:version/stats'])
  async stats(@Param('model') model: string, @Param('version') version?: string): Promise<ModelStatsList> {
    return this.models.stats(model, version);
  }
}
