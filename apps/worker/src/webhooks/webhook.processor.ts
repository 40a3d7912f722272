import { Inject, Injectable } from '@nestjs/common';
import type { WebhookJob } from '@sconce/contracts';
import type { WebhookOutcome } from '@sconce/queue';
import { SpanKind, extractContext, spanAt, traceFields, type Logger, type Telemetry } from '@sconce/telemetry';
import { CONFIG, LOGGER, TELEMETRY } from '../tokens.ts';
import { deliverWebhook } from './webhook-delivery.ts';
import { VERSION } from '../version.ts';

/** What the worker's settings say of webhooks. */
export interface WebhookConfig {
  /** Whether receivers may be in a private network, and be reached without TLS. */
  readonly allowPrivate: boolean;
}

/** Delivers the events that the queue of webhooks holds, and says in the log and the trace what came of them. */
@Injectable()
export class WebhookProcessor {
  constructor(
    @Inject(CONFIG) private readonly config: { readonly webhooks: WebhookConfig },
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(TELEMETRY) private readonly telemetry: Telemetry,
  ) {}

  /** Makes one attempt; the queue makes another where it fails. */
  async handle(job: WebhookJob, attempt: number): Promise<WebhookOutcome> {
    const startMs = Date.now();
    const { allowPrivate } = this.config.webhooks;
    const outcome = await deliverWebhook(job, { allowPrivate, version: VERSION });
    const endMs = Date.now();
    const about = { ...namesOf(job), attempt, ms: endMs - startMs };
    if (outcome.delivered) this.logger.info({ ...about, status: outcome.status }, 'webhook delivered');
    else this.logger.info({ ...about, reason: outcome.reason }, 'webhook not delivered');
    this.telemetry.metrics.webhooks.add(1, { outcome: outcome.delivered ? 'delivered' : 'failed' });
    this.#trace(job, { attempt, startMs, endMs, outcome });
    return outcome;
  }

  /** The last attempt has failed: whoever waits for the event has to ask. */
  giveUp(job: WebhookJob, reason: string, attempts: number): void {
    this.telemetry.metrics.webhooks.add(1, { outcome: 'given_up' });
    this.logger.warn({ ...namesOf(job), attempts, reason }, 'webhook given up');
  }

  #trace(
    job: WebhookJob,
    made: {
      readonly attempt: number;
      readonly startMs: number;
      readonly endMs: number;
      readonly outcome: WebhookOutcome;
    },
  ): void {
    if (job.trace === undefined) return;
    const { attempt, startMs, endMs, outcome } = made;
    const { status } = outcome;
    spanAt({
      tracer: this.telemetry.tracer,
      name: 'sconce.webhook',
      kind: SpanKind.CLIENT,
      parent: extractContext(job.trace),
      startMs,
      endMs,
      attributes: {
        'sconce.webhook.event_id': job.eventId,
        'sconce.webhook.type': job.type,
        'sconce.webhook.attempt': attempt,
        ...(status === undefined ? {} : { 'http.response.status_code': status }),
      },
      ...(outcome.delivered ? {} : { error: { message: outcome.reason } }),
    });
  }
}

/** Of the URL nothing but the host: a path or a query can be a secret. */
function namesOf({ eventId, type, url, trace }: WebhookJob): Readonly<Record<string, string | undefined>> {
  return { eventId, type, host: URL.parse(url)?.host, ...traceFields(trace) };
}
