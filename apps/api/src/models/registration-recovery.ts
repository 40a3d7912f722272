import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { ModelStatus } from '@sconce/contracts';
import { ModelRepository } from '@sconce/models';
import { InferenceProducer } from '@sconce/queue';
import type { Logger } from '@sconce/telemetry';
import { LOGGER } from '../tokens.ts';

/** Stored, and neither ready nor failed: somebody has to examine it. */
const UNFINISHED: ReadonlySet<ModelStatus> = new Set(['compiling', 'proving', 'optimising']);

/**
 * Queues the registration of every version that was stored and not finished, when the API starts: an API that died
 * between storing an artifact and queueing its registration, or a Redis that lost it, would leave the version as it is for
 * good. What is queued already is not queued twice.
 */
@Injectable()
export class RegistrationRecovery implements OnApplicationBootstrap {
  constructor(
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(InferenceProducer) private readonly producer: InferenceProducer,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Does not hold the start up: Redis may come later than the API. */
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
