import type { Worker } from 'bullmq';

/** Longest time that BullMQ may take to close while no job is active: some round trips to a slow Redis. */
const IDLE_CLOSE_MS = 2_000;
const CHECK_EVERY_MS = 50;

/**
 * Closes a BullMQ worker and waits until its jobs have ended: at most `graceMs`, and at most `IDLE_CLOSE_MS` from when no
 * job is active any more. BullMQ's own `close` has no time limit, and a connection may say `ready` although Redis is gone.
 */
export async function waitForClose(
  worker: Worker,
  { graceMs, activeJobs }: { readonly graceMs: number; readonly activeJobs: () => number },
): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const closed = worker.close().catch(() => undefined);
  const startedAtMs = performance.now();
  let busyAtMs = startedAtMs;
  // Checks again and again: a job that was being fetched when the close began still starts after it.
  const timer = setInterval(() => {
    const nowMs = performance.now();
    if (activeJobs() > 0) busyAtMs = nowMs;
    if (nowMs - startedAtMs >= graceMs || nowMs - busyAtMs >= IDLE_CLOSE_MS) resolve(undefined);
  }, CHECK_EVERY_MS);
  await Promise.race([closed, late]);
  clearInterval(timer);
}
