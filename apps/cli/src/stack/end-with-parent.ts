/**
 * Every process of the stack loads this file before its own program. When the process that started it has died, it may
 * drain. If that takes too long it is killed (SCONCE_SHUTDOWN_GRACE_MS is 25 s by default). So no process stays behind,
 * even if a drain waits for a Redis that died as well.
 */
import { isMainThread } from 'node:worker_threads';

const GRACE_MS = 30_000;

// Tests set a shorter time.
const graceMs = Number(new URL(import.meta.url).searchParams.get('graceMs') ?? GRACE_MS);

// Threads of the process inherit the --import flag, but not the channel.
if (isMainThread) {
  process.once('disconnect', () => {
    // `process.exit` would wait for a native run.
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), graceMs).unref();
  });
}
