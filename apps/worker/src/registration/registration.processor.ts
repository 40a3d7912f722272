import { Inject, Injectable } from '@nestjs/common';
import { SconceError } from '@sconce/errors';
import { ModelRepository } from '@sconce/models';
import type { RegistrationJob } from '@sconce/queue';
import { InferencePool, probeBatchAxis } from '@sconce/runtime';
import type { Logger } from '@sconce/telemetry';
import { ServedModels } from '../inference/served-models.ts';
import { LOGGER } from '../tokens.ts';

/** Examines a stored artifact and makes it a served version: `compiling → proving → ready | failed`. */
@Injectable()
export class RegistrationProcessor {
  constructor(
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(ServedModels) private readonly models: ServedModels,
    @Inject(InferencePool) private readonly pool: InferencePool,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Throws `model_invalid` with the reason when the model can't be served. */
  async handle({ model, version }: RegistrationJob): Promise<void> {
    let manifest = await this.repository.get(model, version);
    if (manifest.status === 'ready' || manifest.status === 'failed') return; // A second delivery.
    if (manifest.artifact.format !== 'onnx') {
      throw new SconceError(
        'model_invalid',
        'This is a TorchScript archive, which this release compiles but does not serve yet: `sconce compile model.pt -o model.onnx` makes an ONNX file of it; push that.',
      );
    }
    const file = await this.models.file(manifest);
    const signature = await this.pool.inspect(file);
    if (manifest.status === 'compiling') {
      manifest = await this.repository.update(model, version, { status: 'proving', signature });
    }
    const batch = await probeBatchAxis(this.pool, file, signature);
    await this.repository.update(model, version, { status: 'ready', batch });
    this.logger.info({ model, version, batch }, 'model is ready');
  }

  /** Writes the reason where `GET /v1/models/…` shows it. */
  async fail({ model, version }: RegistrationJob, error: SconceError): Promise<void> {
    this.logger.warn({ err: error, model, version }, 'registration failed');
    try {
      await this.repository.update(model, version, {
        status: 'failed',
        error: { code: error.code, message: error.message },
      });
    } catch (cause) {
      // The version may have been deleted meanwhile: then there is nobody to tell.
      this.logger.error({ err: cause, model, version }, 'could not record the failure');
    }
  }
}
