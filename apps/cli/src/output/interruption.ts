import { failure } from './failure.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs work that a signal can interrupt: Ctrl-C, SIGTERM, or a closed terminal. The first signal aborts the work, which
 * then cleans up. Each later one calls `onSecond`.
 * @throws SconceError `job_cancelled` if the work was interrupted.
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
    else
      controller.abort(
        failure('job_cancelled', `${what} was interrupted.`, { hint: 'Run the command again to repeat it.' }),
      );
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  try {
    return await work(signal);
  } catch (error) {
    // The aborted work may have thrown another error: report the interruption.
    signal.throwIfAborted();
    throw error;
  } finally {
    for (const name of SIGNALS) process.off(name, onSignal);
  }
}
