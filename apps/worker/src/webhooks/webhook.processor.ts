import { Inject, Injectable } from '@nestjs/common';
import type { WebhookJob } from '@sconce/contracts';
import type { WebhookOutcome } from '@sconce/queue';
import { SpanKind, extractContext, spanAt, traceFields, type Logger, type Telemetry } from '@sconce/telemetry';
import { CONFIG, LOGGER, TELEMETRY } from '../tokens.ts';
import { deliverWebhook } from './webhook-delivery.ts';
import { VERSION } from '../version.ts';

/** The worker's settings for webhooks. */
export interface WebhookConfig {
  /** Whether receivers may be in a private network, and be reached without TLS. */
  readonly allowPrivate: boolean;
}

/** Delivers webhook events, and records each attempt in the log and in the trace. */
@Injectable()
export class WebhookProcessor {
  constructor(
    @Inject(CONFIG) private readonly config: { readonly webhooks: WebhookConfig },
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(TELEMETRY) private readonly telemetry: Telemetry,
  ) {}

  /** Makes one attempt. If it fails, the queue delivers the event again. */
  async handle(job: WebhookJob, attempt: number): Promise<WebhookOutcome> {
    const startMs = Date.now();
    const { allowPrivate } = this.config.webhooks;
    const outcome = await deliverWebhook(job, { allowPrivate, version: VERSION });
    const endMs = Date.now();
    const about = { ...logFieldsOf(job), attempt, ms: endMs - startMs };
    if (outcome.delivered) this.logger.info({ ...about, status: outcome.status }, 'webhook delivered');
    else this.logger.info({ ...about, reason: outcome.reason }, 'webhook not delivered');
    this.telemetry.metrics.webhooks.add(1, { outcome: outcome.delivered ? 'delivered' : 'failed' });
    this.#trace(job, { attempt, startMs, endMs, outcome });
    return outcome;
  }

  /** The last attempt has failed: the receiver does not get the event. */
  giveUp(job: WebhookJob, reason: string, attempts: number): void {
    this.telemetry.metrics.webhooks.add(1, { outcome: 'given_up' });
    this.logger.warn({ ...logFieldsOf(job), attempts, reason }, 'webhook given up');
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
      error: outcome.delivered ? undefined : { message: outcome.reason },
    });
  }
}

/** The log fields of an event. Of the URL only the host, since a path or a query can be a secret. */
function logFieldsOf({ eventId, type, url, trace }: WebhookJob): Readonly<Record<string, string | undefined>> {
  return { eventId, type, host: URL.parse(url)?.host, ...traceFields(trace) };
}
