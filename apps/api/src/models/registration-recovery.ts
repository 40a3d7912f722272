import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { ModelStatus } from '@sconce/contracts';
import { ModelRepository } from '@sconce/models';
import { InferenceProducer } from '@sconce/queue';
import type { Logger } from '@sconce/telemetry';
import { LOGGER } from '../tokens.ts';

/** Statuses of versions whose registration has not ended. */
const UNFINISHED: ReadonlySet<ModelStatus> = new Set(['compiling', 'proving', 'optimising']);

/** How often the API looks whether its connection to Redis is a new one, and tries again what failed, ms. */
const LOOK_MS = 5_000;

/**
 * Queues the registration of every unfinished version when the API starts, and after each new connection to Redis. Without this, a version
 * would stay unfinished for ever if the API died between storing the artifact and queueing the registration, or if Redis lost the queue job
 * (a failover may). A registration that is queued already is not queued twice.
 */
@Injectable()
export class RegistrationRecovery implements OnApplicationBootstrap, OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  /** The connection to Redis at the last time that all unfinished versions were queued. */
  #connection: number | undefined;

  constructor(
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(InferenceProducer) private readonly producer: InferenceProducer,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** The start of the API does not wait for this, because Redis may start later. */
  onApplicationBootstrap(): void {
    void this.producer.firstAnswer().then(() => this.#look());
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const connection = this.producer.connections.value;
    if (this.#busy || connection === this.#connection) return;
    this.#busy = true;
    try {
      await this.#recover();
      this.#connection = connection;
    } catch (error) {
      this.logger.error({ err: error }, 'unfinished registrations could not be queued again, which is tried again');
    } finally {
      this.#busy = false;
    }
  }

  async #recover(): Promise<void> {
    for (const { name, version, status } of await this.repository.list()) {
      if (!UNFINISHED.has(status)) continue;
      await this.producer.register({ v: 1, model: name, version });
      this.logger.info({ model: name, version, status }, 'registration queued again');
    }
  }
}
