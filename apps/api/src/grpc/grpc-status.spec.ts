import { status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { ERROR_POLICY, SconceError, type ErrorCode } from '@sconce/errors';
import { failedCall, statusOf } from './grpc-status.ts';

it.each(Object.keys(ERROR_POLICY) as ErrorCode[])('%s has a status', (code) => {
  expect(statusOf(code)).not.toBe(status.UNKNOWN);
  expect(statusOf(code)).not.toBe(status.OK);
});

it.each<[ErrorCode, status]>([
  ['invalid_tensor', status.INVALID_ARGUMENT],
  ['over_budget', status.INVALID_ARGUMENT],
  ['unauthenticated', status.UNAUTHENTICATED],
  ['forbidden', status.PERMISSION_DENIED],
  ['model_not_found', status.NOT_FOUND],
  ['model_not_ready', status.UNAVAILABLE],
  ['queue_full', status.RESOURCE_EXHAUSTED],
  ['deadline_exceeded', status.DEADLINE_EXCEEDED],
  ['job_cancelled', status.CANCELLED],
  ['unsupported', status.UNIMPLEMENTED],
  ['inference_failed', status.INTERNAL],
])('%s', (code, expected) => {
  expect(statusOf(code)).toBe(expected);
});

it('says when to try again, and nothing about the inside', () => {
  const full = failedCall(new SconceError('queue_full', 'later', { details: { retryAfterSeconds: 3 } }));
  expect(full.metadata?.get('retry-after')).toEqual(['3']);
  expect(failedCall(new Error('secret')).details).toBe('Internal error; the log has the details.');
});
