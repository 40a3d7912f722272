import { describe, expect, it } from 'vitest';
import { ERROR_POLICY, SconceError, deserializeError, toSconceError } from './index.ts';

describe('SconceError', () => {
  it('keeps code, message and details in JSON, and drops the cause', () => {
    const error = new SconceError('invalid_tensor', 'x is wrong', { details: { param: 'x' }, cause: new Error('why') });
    const back = deserializeError(JSON.parse(JSON.stringify(error)));
    expect(back).toBeInstanceOf(SconceError);
    expect(back.toJSON()).toEqual({ code: 'invalid_tensor', message: 'x is wrong', details: { param: 'x' } });
    expect(back.cause).toBeUndefined();
  });

  it.each([
    [undefined, 'internal', 'unknown error'],
    [{ code: 'from_the_future', message: 'm' }, 'internal', 'm'],
    [{ code: 'toString', message: 'm' }, 'internal', 'm'],
    [{ code: 'queue_full', message: 'm' }, 'queue_full', 'm'],
  ])('reads %j as %s', (value, code, message) => {
    expect(deserializeError(value)).toMatchObject({ code, message });
  });

  it('returns a SconceError unchanged and makes any other value the cause of a new one', () => {
    const own = new SconceError('queue_full', 'full');
    expect(toSconceError(own)).toBe(own);
    const foreign = new TypeError('x');
    expect(toSconceError(foreign, 'redis_unavailable')).toMatchObject({ code: 'redis_unavailable', cause: foreign });
    expect(toSconceError('text').message).toBe('text');
  });

  it('gives errors that the caller can correct a 4xx status and no retry', () => {
    for (const code of ['invalid_request', 'invalid_tensor', 'model_not_found', 'queue_full'] as const) {
      expect(ERROR_POLICY[code].http).toBeGreaterThanOrEqual(400);
      expect(ERROR_POLICY[code].http).toBeLessThan(500);
      expect(ERROR_POLICY[code].retry).toBe('never');
    }
  });
});
