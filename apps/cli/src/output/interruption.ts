import { failure } from './failure.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs work that the first Ctrl-C (or SIGTERM, or a closed terminal) aborts and that then cleans up; `onSecond` is
 * called at every further one. Throws `job_cancelled` where the work was interrupted.
 */
export async function interruptible<T>(
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
  onSecond: () => void = () => process.exit(1),
): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  const onSignal = (): void => {
    if (signal.aborted) onSecond();
    else controller.abort(failure('job_cancelled', `${what} was interrupted.`, 'Run it again when you like.'));
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  try {
    return await work(signal);
  } catch (error) {
    // What was under way fails in its own words.
    signal.throwIfAborted();
    throw error;
  } finally {
    for (const name of SIGNALS) process.off(name, onSignal);
  }
}
