import { describe, expect, it } from 'vitest';
import { webhookJobSchema, webhookSecretSchema, type WebhookJob } from '@sconce/contracts';
import { webhookBody } from './webhook-body.ts';

const JOB: WebhookJob = {
  v: 1,
  eventId: 'evt_1',
  type: 'batch.completed',
  createdAt: 1_700_000_000,
  data: { id: 'batch_1' },
  url: 'https://example.com/',
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
};

it('a webhook job becomes a body in OpenAI’s form', () => {
  expect(webhookJobSchema.parse(JOB)).toEqual(JOB);
  expect(webhookBody(JOB)).toBe(
    '{"id":"evt_1","object":"event","created_at":1700000000,"type":"batch.completed","data":{"id":"batch_1"}}',
  );
});

it.each([
  ['another version', { v: 2 }],
  ['an event of another kind', { type: 'batch.in_progress' }],
  ['an id that the queue can’t take', { eventId: 'evt_a:b' }],
  ['an id without its prefix', { eventId: '17' }],
  ['a time in fractions', { createdAt: 1.5 }],
  ['data that is no JSON', { data: { id: 1n } }],
  ['more data than an event needs', { data: { id: 'x'.repeat(20_000) } }],
])('a webhook job is refused with %s', (_what, over) => {
  expect(webhookJobSchema.safeParse({ ...JOB, ...over }).success).toBe(false);
});

describe('a secret', () => {
  const base64 = (bytes: number): string => Buffer.alloc(bytes, 255).toString('base64');
  it.each([12, 24, 25, 26, 32, 64, 96])('of %i bytes passes', (bytes) => {
    expect(webhookSecretSchema.safeParse(`whsec_${base64(bytes)}`).success).toBe(true);
  });

  it.each([
    ['has no prefix', base64(24)],
    ['is too short', `whsec_${base64(9)}`],
    ['is too long', `whsec_${base64(97)}`],
    ['lacks its padding', `whsec_${base64(32).replaceAll('=', '')}`],
    ['is base64url', `whsec_${'-'.repeat(32)}`],
    ['is of no possible length', `whsec_${'A'.repeat(33)}`],
    ['is empty', 'whsec_'],
  ])('is refused when it %s', (_what, secret) => {
    expect(webhookSecretSchema.safeParse(secret).success).toBe(false);
  });
});
