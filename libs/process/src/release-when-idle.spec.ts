import { expect, it, vi } from 'vitest';
import { releaseWhenIdle } from './release-when-idle.ts';

const QUIET_MS = 60;

it('releases memory once after work, not during work, and not again without work', async () => {
  let released = 0;
  let garbage: unknown[] = [];
  const stop = releaseWhenIdle({
    quietMs: QUIET_MS,
    minBytes: 1024 ** 2,
    release: () => {
      garbage = [];
      released += 1;
    },
  });
  try {
    // Works without a pause.
    const end = performance.now() + 4 * QUIET_MS;
    while (performance.now() < end) {
      for (let at = 0; at < 20_000; at++) garbage.push({ at });
      await new Promise(setImmediate);
    }
    const duringWork = released;
    await vi.waitFor(() => expect(released).toBe(1), { timeout: 5_000 });
    expect(duringWork).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 4 * QUIET_MS));
    expect(released).toBe(1);
  } finally {
    stop();
  }
});
