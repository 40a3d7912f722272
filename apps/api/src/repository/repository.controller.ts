import { Controller, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { loadRequestSchema, repositoryIndexRequestSchema, type RepositoryIndex } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { ModelDirectory, ModelRepository } from '@sconce/models';
import { InferenceProducer } from '@sconce/queue';
import { parseJsonBody } from '../http/json-body.ts';
import { repositoryIndex } from './repository-index.ts';

/** The model repository extension: lists, loads and unloads models. `PUT /v1/models/…` pushes them. */
@Controller('v2/repository')
export class RepositoryController {
  constructor(
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(ModelDirectory) private readonly directory: ModelDirectory,
    @Inject(InferenceProducer) private readonly producer: InferenceProducer,
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
    const { parameters } = parseJsonBody(request.body, loadRequestSchema);
    const override = Object.keys(parameters).find((name) => name === 'config' || name.startsWith('file:'));
    if (override !== undefined) {
      throw new SconceError(
        'unsupported',
        `Loading with parameter "${override}" is not supported; upload the file with PUT /v1/models/${model}/versions/{version}.`,
        { details: { param: override } },
      );
    }
    await this.#setLoaded(model, true);
  }

  @Post('models/:model/unload')
  @HttpCode(200)
  async unload(@Param('model') model: string): Promise<void> {
    await this.#setLoaded(model, false);
    await this.producer.notify({ kind: 'unload', model });
  }

  async #setLoaded(model: string, loaded: boolean): Promise<void> {
    await this.repository.setState(model, { loaded });
    this.directory.invalidate(model);
  }
}
