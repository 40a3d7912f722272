/**
 * Loaded into every process of the stack before its own program: when the process that started it is gone, it may
 * drain, and is ended by force where that takes too long (SCONCE_SHUTDOWN_GRACE_MS is 25 s by default). So nothing is
 * left behind, even where a drain waits for a Redis that went as well.
 */
import { isMainThread } from 'node:worker_threads';

const GRACE_MS = 30_000;

// Tests shorten it.
const graceMs = Number(new URL(import.meta.url).searchParams.get('graceMs') ?? GRACE_MS);

// Threads of the process inherit the flag but not the channel.
if (isMainThread) {
  process.once('disconnect', () => {
    // Not `process.exit`: it would wait for a native run.
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), graceMs).unref();
  });
}
