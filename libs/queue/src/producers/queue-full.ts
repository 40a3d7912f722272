import { SconceError } from '@sconce/errors';

/** The error for work that may not wait in addition. */
export function queueFull(why: string, retryAfterSeconds: number): SconceError {
  return new SconceError('queue_full', `Too much is waiting: ${why}. Try again in ${retryAfterSeconds} s.`, {
    details: { retryAfterSeconds },
  });
}
