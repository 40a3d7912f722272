import { registrationJobSchema, type RegistrationJob } from '@sconce/contracts';
import type { SconceError } from '@sconce/errors';
import { isOutage, type JobConsumer } from './job-consumer.ts';

export interface RegistrationConsumerOptions {
  /** Registers one version. `shutting_down` hands the job back; an error whose policy is `never` is final. */
  readonly handle: (job: RegistrationJob) => Promise<void>;
  /** Writes the failure of a version to its manifest. Does nothing for a version that is ready, has failed or was deleted. */
  readonly onFailed: (job: RegistrationJob, error: SconceError) => Promise<void>;
}

/** Consumes model versions to register. */
export class RegistrationConsumer implements JobConsumer<RegistrationJob> {
  readonly jobName = 'register';
  readonly schema = registrationJobSchema;
  readonly #options: RegistrationConsumerOptions;

  constructor(options: RegistrationConsumerOptions) {
    this.#options = options;
  }

  async consume(job: RegistrationJob): Promise<void> {
    await this.#options.handle(job);
  }

  async fail(job: RegistrationJob, error: SconceError): Promise<void> {
    await this.#options.onFailed(job, error);
  }

  /** The version cannot be read or written while the store is away. */
  postpones(error: SconceError): boolean {
    return isOutage(error);
  }

  async abandon(job: RegistrationJob, error: SconceError): Promise<void> {
    await this.fail(job, error);
  }
}
