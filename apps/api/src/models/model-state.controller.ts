import { Controller, Inject, Param, Patch, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { modelSettingsPatchSchema, type Model } from '@sconce/contracts';
import { ModelDirectory, ModelRepository } from '@sconce/models';
import { InferenceProducer } from '@sconce/queue';
import { parseJsonBody } from '../http/json-body.ts';
import { listModel } from './model-listing.ts';

/** Settings that hold for all versions of a model. */
@Controller('v1/models')
export class ModelStateController {
  constructor(
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(ModelDirectory) private readonly directory: ModelDirectory,
    @Inject(InferenceProducer) private readonly producer: InferenceProducer,
  ) {}

  @Patch(':model')
  async patch(@Req() request: FastifyRequest, @Param('model') model: string): Promise<Model> {
    const patch = parseJsonBody(request.body, modelSettingsPatchSchema);
    await this.repository.setState(model, patch);
    this.directory.invalidate(model);
    // A thread learns of a change only with the next request for the model. With this notice it drops the model now.
    const mustUnload = patch.loaded === false || patch.keep_loaded === false;
    if (mustUnload) await this.producer.notify({ kind: 'unload', model });
    return listModel(this.repository, model);
  }
}
