import { Controller, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import {
  loadRequestSchema,
  repositoryIndexRequestSchema,
  unloadRequestSchema,
  type RepositoryIndex,
} from '@sconce/contracts';
import { ModelRepository } from '@sconce/models';
import { parseJsonBody } from '../http/json-body.ts';
import { ModelLoading } from './model-loading.ts';
import { repositoryIndex } from './repository-index.ts';

/** The model repository extension: lists, loads and unloads models. `PUT /v1/models/…` pushes them. */
@Controller('v2/repository')
export class RepositoryController {
  constructor(
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(ModelLoading) private readonly loading: ModelLoading,
  ) {}

  @Post('index')
  @HttpCode(200)
  async index(@Req() request: FastifyRequest): Promise<RepositoryIndex> {
    const { ready } = parseJsonBody(request.body, repositoryIndexRequestSchema);
    return repositoryIndex(this.repository, { ready });
  }

  @Post('models/:model/load')
  @HttpCode(200)
  async load(@Req() request: FastifyRequest, @Param('model') model: string): Promise<void> {
    await this.loading.load(model, parseJsonBody(request.body, loadRequestSchema).parameters);
  }

  @Post('models/:model/unload')
  @HttpCode(200)
  async unload(@Req() request: FastifyRequest, @Param('model') model: string): Promise<void> {
    await this.loading.unload(model, parseJsonBody(request.body, unloadRequestSchema).parameters);
  }
}
