/** Now, in milliseconds since the epoch, with fractions. Comparable between threads of one process; `Date.now()` has no fractions. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * The result of `work`, or `undefined` when it takes longer than `timeoutMs`. `work` itself goes on; its result and its error are then
 * ignored. An error before the timeout is thrown.
 */
export async function withTimeout<T>(work: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), timeoutMs);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
