import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

type Collect = (options: object) => void;

/**
 * Collects this thread's heap and returns free memory to the system. In a thread other than the main thread it works only if
 * `exposeCollector` was called before that thread started: V8's flags belong to the process, and changing them while other threads run can
 * end the process (measured).
 */
export function releaseMemory(): void {
  const collect = (globalThis as { gc?: Collect }).gc ?? (isMainThread ? exposeCollector() : undefined);
  collect?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

let exposed: Collect | undefined;

/** Makes V8's collector callable in this thread and in threads that start later. Call it before the first thread starts. */
export function exposeCollector(): Collect {
  if (exposed === undefined) {
    setFlagsFromString('--expose-gc');
    exposed = runInNewContext('gc') as Collect;
  }
  return exposed;
}
