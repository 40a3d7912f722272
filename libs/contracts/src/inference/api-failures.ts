import type { ErrorCode } from '@sconce/errors';

/**
 * Errors of requests whose callers wait that the process which took the request counts in the totals of the model: a worker may never see
 * such a request, or see it too late.
 */
export const COUNTED_WHERE_ACCEPTED: ReadonlySet<ErrorCode> = new Set([
  'deadline_exceeded',
  'queue_full',
  'redis_unavailable',
  'shutting_down',
]);
