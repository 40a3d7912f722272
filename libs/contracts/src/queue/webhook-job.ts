import * as z from 'zod';
import { traceContextSchema } from '../tracing/trace-context.ts';
import { jobVersionSchema } from './job-version.ts';
import { webhookSecretSchema } from './webhook-secret.ts';

/** Events that webhooks report: a batch has reached a final state. The names are OpenAI's. */
export const WEBHOOK_EVENT_TYPES = ['batch.completed', 'batch.failed', 'batch.expired', 'batch.cancelled'] as const;

export type WebhookEventType = (typeof WEBHOOK_EVENT_TYPES)[number];

/** An event names its object; the receiver fetches the rest. */
const MAX_DATA_CHARS = 16_384;

/** A `deliver` job of the queue `sconce.webhooks`: one event for one receiver. */
export const webhookJobSchema = z.object({
  v: jobVersionSchema,
  eventId: z
    .string()
    .regex(/^evt_[A-Za-z0-9_-]{1,200}$/)
    .describe('Id of the event on every attempt, and of the queue job: adding an event twice delivers it once.'),
  type: z.enum(WEBHOOK_EVENT_TYPES).describe('Kind of the event.'),
  createdAt: z.int().min(0).describe('Epoch seconds of the event.'),
  data: z
    .record(z.string(), z.json())
    .refine((data) => JSON.stringify(data).length <= MAX_DATA_CHARS, `at most ${MAX_DATA_CHARS} characters of JSON`)
    .describe('The object of the event: `{ id: "batch_…" }`.'),
  url: z.string().describe('URL of the receiver.'),
  secret: webhookSecretSchema.describe('Signing secret.'),
  trace: traceContextSchema.optional().describe('The span that the event belongs to.'),
});

export type WebhookJob = z.infer<typeof webhookJobSchema>;
