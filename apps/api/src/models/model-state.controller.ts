import { Controller, Inject, Param, Patch, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ApiTags } from '@nestjs/swagger';
import * as z from 'zod';
import { ModelDirectory, ModelRepository } from '@sconce/models';
import { InferenceProducer } from '@sconce/queue';
import { DocumentModelState } from '../docs/model-state.docs.ts';
import { parseJsonBody } from '../http/json-body.ts';
import { listModel, type ListedModel } from './model-listing.ts';

const patchSchema = z
  .strictObject({
    default_version: z.string().exactOptional(),
    loaded: z.boolean().exactOptional(),
    keep_loaded: z.boolean().exactOptional(),
  })
  .refine((patch) => Object.keys(patch).length > 0, 'give default_version, loaded or keep_loaded');

/** What holds for all versions of a model. */
@ApiTags('Models')
@Controller('v1/models')
export class ModelStateController {
  constructor(
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(ModelDirectory) private readonly directory: ModelDirectory,
    @Inject(InferenceProducer) private readonly producer: InferenceProducer,
  ) {}

  @Patch(':model')
  @DocumentModelState()
  async patch(@Req() request: FastifyRequest, @Param('model') model: string): Promise<ListedModel> {
    const patch = parseJsonBody(request.body, patchSchema);
    await this.repository.setState(model, patch);
    this.directory.invalidate(model);
    // Threads that keep a model learn of a change with its next request, and there may be none: they load it anew.
    const letGo = patch.loaded === false || patch.keep_loaded === false;
    if (letGo) await this.producer.notify({ kind: 'unload', model });
    return listModel(this.repository, model);
  }
}
