import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { ModelStatus } from '@sconce/contracts';
import { ModelRepository } from '@sconce/models';
import { InferenceProducer } from '@sconce/queue';
import type { Logger } from '@sconce/telemetry';
import { LOGGER } from '../tokens.ts';

/** Statuses of versions whose registration has not ended. */
const UNFINISHED: ReadonlySet<ModelStatus> = new Set(['compiling', 'proving', 'optimising']);

/**
 * Queues the registration of every unfinished version when the API starts. Without this, a version would stay unfinished for ever
 * if the API died between storing the artifact and queueing the registration, or if Redis lost the queue job. A registration
 * that is queued already is not queued twice.
 */
@Injectable()
export class RegistrationRecovery implements OnApplicationBootstrap {
  constructor(
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(InferenceProducer) private readonly producer: InferenceProducer,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** The start of the API does not wait for this, because Redis may start later. */
  onApplicationBootstrap(): void {
    this.#recover().catch((error: unknown) => {
      this.logger.error({ err: error }, 'unfinished registrations could not be queued again');
    });
  }

  async #recover(): Promise<void> {
    for (const { name, version, status } of await this.repository.list()) {
      if (!UNFINISHED.has(status)) continue;
      await this.producer.register({ v: 1, model: name, version });
      this.logger.info({ model: name, version, status }, 'registration queued again');
    }
  }
}
