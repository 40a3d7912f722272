import type { Worker } from 'bullmq';

/**
 * Lets a BullMQ worker finish its jobs, at most `graceMs` (it has no bound of its own). Answers whether it did; if not,
 * it goes on waiting, and the caller takes its connections away.
 */
export async function closeWithin(worker: Worker, graceMs: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => {
    resolve('late');
  }, graceMs);
  const closed = worker.close();
  const outcome = await Promise.race([closed, late]);
  clearTimeout(timer);
  if (outcome !== 'late') return true;
  closed.catch(() => undefined);
  return false;
}
