import { webhookJobSchema, type WebhookJob } from '@sconce/contracts';
import { SconceError, toSconceError } from '@sconce/errors';
import { WEBHOOK_RETRY_DELAYS_MS } from '../queue-options.ts';
import { FinalJobError, type Delivery, type JobConsumer } from './job-consumer.ts';

/** Largest share of a delay that chance adds, so that webhooks that failed together are not retried together. */
const MAX_JITTER = 0.2;

/** The result of one attempt. */
export type WebhookOutcome =
  | { readonly delivered: true; readonly status: number }
  | {
      readonly delivered: false;
      /** HTTP status of the answer, if there was one. */
      readonly status?: number;
      /** For people. Of the URL it contains the host at most, because a path or a query can be a secret. */
      readonly reason: string;
      /** True when no later attempt can succeed, or none is wanted. */
      readonly permanent: boolean;
    };

export interface WebhookConsumerOptions {
  /** Makes one attempt; the first is 1. An error that it throws counts as a failure that is worth another attempt. */
  readonly handle: (job: WebhookJob, attempt: number) => Promise<WebhookOutcome>;
  /** Called when the event will not be delivered. The queue keeps the job for a while. */
  readonly onGivenUp: (job: WebhookJob, reason: string, attempts: number) => void;
  /** Waits between attempts, ms; default `WEBHOOK_RETRY_DELAYS_MS`. For tests; not longer than the default. */
  readonly retryDelaysMs?: readonly number[];
}

/**
 * Consumes webhooks to deliver.
 *
 * After a failed attempt, the queue makes the next one after the next delay of the schedule, in any worker. When a worker
 * dies during an attempt, another makes that attempt again at once: it does not count as one of the schedule.
 */
export class WebhookConsumer implements JobConsumer<WebhookJob> {
  readonly jobName = 'deliver';
  readonly schema = webhookJobSchema;
  readonly keepsFailed = true;
  readonly #options: WebhookConsumerOptions;
  readonly #retryDelaysMs: readonly number[];

  constructor(options: WebhookConsumerOptions) {
    this.#options = options;
    this.#retryDelaysMs = options.retryDelaysMs ?? WEBHOOK_RETRY_DELAYS_MS;
  }

  async consume(job: WebhookJob, { failures, maxFailures }: Delivery): Promise<void> {
    const attempt = failures + 1;
    const outcome = await this.#attempt(job, attempt);
    if (outcome.delivered) return;
    // A job that another release added carries the number of attempts of that release.
    const isLast = attempt > this.#retryDelaysMs.length || attempt >= maxFailures;
    if (!outcome.permanent && !isLast) throw new SconceError('server_unreachable', outcome.reason);
    this.#options.onGivenUp(job, outcome.reason, attempt);
    throw new FinalJobError(outcome.reason);
  }

  async abandon(job: WebhookJob, { message }: SconceError): Promise<void> {
    this.#options.onGivenUp(job, message, this.#retryDelaysMs.length + 1);
  }

  /** The delay of the schedule, and up to `MAX_JITTER` more. */
  retryDelayMs(failures: number): number {
    const delayMs = this.#retryDelaysMs[failures - 1] ?? 0;
    return Math.round(delayMs * (1 + MAX_JITTER * Math.random()));
  }

  async #attempt(job: WebhookJob, attempt: number): Promise<WebhookOutcome> {
    try {
      return await this.#options.handle(job, attempt);
    } catch (thrown) {
      return { delivered: false, permanent: false, reason: toSconceError(thrown).message };
    }
  }
}
