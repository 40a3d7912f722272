import { setTimeout as delay } from 'node:timers/promises';

const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_INTERVAL_MS = 10;

/**
 * Calls `check` again and again until it returns a value other than false, and returns that value. An error of `check` counts as false.
 * After `timeoutMs` it throws the last error of `check`.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: { readonly timeoutMs?: number; readonly intervalMs?: number } = {},
): Promise<Exclude<T, false>> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const deadline = performance.now() + timeoutMs;
  let last: unknown = new Error('the check kept returning false');
  do {
    try {
      const value = await check();
      if (value !== false) return value as Exclude<T, false>;
      last = new Error('the check kept returning false');
    } catch (error) {
      last = error;
    }
    await delay(options.intervalMs ?? DEFAULT_INTERVAL_MS);
  } while (performance.now() < deadline);
  const reason = last instanceof Error ? last.message : String(last);
  throw new Error(`the check still fails after ${timeoutMs} ms: ${reason}`, { cause: last });
}
