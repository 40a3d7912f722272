import { describe, expect, it } from 'vitest';
import { epochMs, withTimeout } from './time.ts';

it('epochMs is the time of Date.now with fractions', () => {
  expect(Math.abs(epochMs() - Date.now())).toBeLessThan(1_000);
});

describe('withTimeout', () => {
  it('gives the result of work that ends in time', async () => {
    await expect(withTimeout(Promise.resolve(7), 10_000)).resolves.toBe(7);
  });

  it('throws the error of work that fails in time', async () => {
    await expect(withTimeout(Promise.reject(new Error('broken')), 10_000)).rejects.toThrow('broken');
  });

  it('gives undefined when the work takes too long, and ignores its later error', async () => {
    const { promise, reject } = Promise.withResolvers<number>();
    await expect(withTimeout(promise, 5)).resolves.toBeUndefined();
    reject(new Error('too late'));
    await new Promise((resolve) => setTimeout(resolve, 5));
  });
});
