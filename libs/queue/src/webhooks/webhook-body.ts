import type { WebhookJob } from '@sconce/contracts';

/** The event as its receiver gets it, in OpenAI's form. The bytes are the same at every attempt. */
export function webhookBody({ eventId, type, createdAt, data }: WebhookJob): string {
  return JSON.stringify({ id: eventId, object: 'event', created_at: createdAt, type, data });
}
