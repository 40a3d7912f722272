import * as z from 'zod';
import { traceContextSchema, webhookSecretSchema } from '@sconce/contracts';

/** What webhooks tell: that a batch has reached a final state. The names are OpenAI's. */
export const WEBHOOK_EVENT_TYPES = ['batch.completed', 'batch.failed', 'batch.expired', 'batch.cancelled'] as const;

export type WebhookEventType = (typeof WEBHOOK_EVENT_TYPES)[number];

/** An event names what it is about, and leaves the rest to be fetched. */
const MAX_DATA_CHARS = 16_384;

/** The contract of `sconce.webhooks`: one event to one receiver. */
export const webhookJobSchema = z.object({
  v: z.literal(1),
  /** Names the event on every attempt, and the queue job: an event is delivered once however often it is added. */
  eventId: z.string().regex(/^evt_[A-Za-z0-9_-]{1,200}$/),
  type: z.enum(WEBHOOK_EVENT_TYPES),
  /** Epoch seconds at which it happened. */
  createdAt: z.int().min(0),
  /** What the event is about: `{ id: 'batch_…' }`. */
  data: z
    .record(z.string(), z.json())
    .refine((data) => JSON.stringify(data).length <= MAX_DATA_CHARS, `at most ${MAX_DATA_CHARS} characters of JSON`),
  url: z.string(),
  secret: webhookSecretSchema,
  /** W3C trace context of the span that the event belongs to. */
  trace: traceContextSchema.optional(),
});

export type WebhookJob = z.infer<typeof webhookJobSchema>;

/** What came of one attempt. */
export type WebhookOutcome =
  | { readonly delivered: true; readonly status: number }
  | {
      readonly delivered: false;
      /** HTTP status of the answer, where there was one. */
      readonly status?: number;
      /** For people; of the URL it says at most the host, since a path or a query can be a secret. */
      readonly reason: string;
      /** No later attempt could succeed, or none is wanted. */
      readonly permanent: boolean;
    };

/** The event as the receiver gets it, in OpenAI's form: the same bytes at every attempt. */
export function webhookBody({ eventId, type, createdAt, data }: WebhookJob): string {
  return JSON.stringify({ id: eventId, object: 'event', created_at: createdAt, type, data });
}
