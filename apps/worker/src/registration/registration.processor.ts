import { Inject, Injectable } from '@nestjs/common';
import type { RegistrationJob } from '@sconce/contracts';
import { toSconceError, type SconceError } from '@sconce/errors';
import { ModelRepository } from '@sconce/models';
import { isOutage } from '@sconce/queue';
import { ModelRegistration, type RegistrationStage } from '@sconce/serving';
import {
  SpanKind,
  contextWithSpan,
  extractContext,
  spanAt,
  spanOf,
  traceFields,
  type Logger,
  type Telemetry,
} from '@sconce/telemetry';
import { LOGGER, TELEMETRY } from '../tokens.ts';

/** Handles the jobs of the registration queue: each registers one stored version, and records its times in the trace of the push. */
@Injectable()
export class RegistrationProcessor {
  constructor(
    @Inject(ModelRegistration) private readonly registration: ModelRegistration,
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(TELEMETRY) private readonly telemetry: Telemetry,
  ) {}

  /** Throws `model_invalid`, `parity_failed`, … with the reason when the model can't be served. */
  async handle(job: RegistrationJob): Promise<void> {
    const { model, version } = job;
    const manifest = await this.repository.get(model, version);
    if (manifest.status === 'ready' || manifest.status === 'failed') return; // A second delivery.
    const stages: RegistrationStage[] = [];
    const startMs = Date.now();
    let failure: SconceError | undefined;
    try {
      await this.registration.register(manifest, (stage) => stages.push(stage));
      this.logger.info({ model, version, ms: Date.now() - startMs, ...traceFields(job.trace) }, 'model is ready');
    } catch (error) {
      failure = toSconceError(error);
      throw failure;
    } finally {
      this.#trace(job, startMs, stages, failure);
    }
  }

  /**
   * Writes the reason to the manifest, so that `GET /v1/models/…` shows it. A version that is ready or has failed stays as it is.
   * @throws SconceError `storage_unavailable` or `storage_full`: it has to be written later.
   */
  async fail({ model, version, trace }: RegistrationJob, error: SconceError): Promise<void> {
    const about = { model, version, ...traceFields(trace) };
    try {
      const { status } = await this.repository.get(model, version);
      if (status === 'ready' || status === 'failed') return;
      this.logger.warn({ err: error, ...about }, 'registration failed');
      await this.repository.update(model, version, {
        status: 'failed',
        error: { code: error.code, message: error.message },
      });
    } catch (thrown) {
      const cause = toSconceError(thrown);
      if (isOutage(cause) || cause.code === 'storage_full') throw cause;
      // The version may have been deleted meanwhile.
      this.logger.error({ err: cause, ...about }, 'the failure of a registration could not be written to its manifest');
    }
  }

  /** Ends running registrations. Their jobs go to other workers. */
  stop(): void {
    this.registration.stop();
  }

  #trace(
    job: RegistrationJob,
    startMs: number,
    stages: readonly RegistrationStage[],
    failure: SconceError | undefined,
  ): void {
    const { tracer, metrics } = this.telemetry;
    const seconds = (Date.now() - startMs) / 1_000;
    metrics.registrationDuration.record(seconds, { outcome: failure?.code ?? 'ready' }, spanOf(job.trace));
    if (job.trace === undefined) return;
    const attributes = { 'sconce.model': job.model, 'sconce.version': job.version };
    const parent = extractContext(job.trace);
    const kind = SpanKind.CONSUMER;
    const span = spanAt({
      tracer,
      name: 'sconce.register',
      kind,
      parent,
      startMs,
      endMs: Date.now(),
      attributes,
      error: failure,
    });
    const within = contextWithSpan(parent, span);
    for (const stage of stages) spanAt({ tracer, ...stage, parent: within, attributes });
  }
}
