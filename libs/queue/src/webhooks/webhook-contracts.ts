import * as z from 'zod';

/** What webhooks tell: that a batch has reached a final state. The names are OpenAI's. */
export const WEBHOOK_EVENT_TYPES = ['batch.completed', 'batch.failed', 'batch.expired', 'batch.cancelled'] as const;

export type WebhookEventType = (typeof WEBHOOK_EVENT_TYPES)[number];

/** An event names what it is about, and leaves the rest to be fetched. */
const MAX_DATA_CHARS = 16_384;

/**
 * A signing secret as Standard Webhooks has it: `whsec_` and 16 to 128 characters of base64, with its padding (24 bytes or more are
 * advised). What decoders make of any other base64 differs from one to the next, and so would the signatures.
 */
export const webhookSecretSchema = z
  .string()
  .regex(
    /^whsec_(?=[A-Za-z0-9+/=]{16,128}$)(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
    '"whsec_" and padded base64, as Standard Webhooks has it',
  );

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
  trace: z.object({ traceparent: z.string(), tracestate: z.string().optional() }).optional(),
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
