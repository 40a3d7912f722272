import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

type Collect = (options: object) => void;

/**
 * Collects what starting up left behind, to be called once when a process is ready. A third of its memory is garbage then (source texts,
 * compiled modules, the young generation grown by them), which V8 would keep until it is under pressure: 40 MB (measured).
 */
export function releaseStartupMemory(): void {
  releaseMemory();
}

/**
 * Collects this thread's heap, and gives back what becomes free. In other threads than the main one only where `exposeCollector` was
 * called before they were started: V8's flags are the process', and changing them while other threads run can end it (measured).
 */
export function releaseMemory(): void {
  const collect = (globalThis as { gc?: Collect }).gc ?? (isMainThread ? exposeCollector() : undefined);
  collect?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

let exposed: Collect | undefined;

/** Makes V8's collector callable, here and in the threads that are started from now on; to be called before any is. */
export function exposeCollector(): Collect {
  if (exposed === undefined) {
    setFlagsFromString('--expose-gc');
    exposed = runInNewContext('gc') as Collect;
  }
  return exposed;
}
