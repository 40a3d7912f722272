import { setTimeout as sleep } from 'node:timers/promises';
import { load } from '../support/in-process.ts';
import { jsonRequest } from '../support/stack.ts';
import { pushModel, startSide, type Side } from './sides.ts';
import { slowModel } from './slow-model.ts';

/** After a worker was killed while requests were in flight. */
export interface RecoveryFigures {
  /** The longest wait of any request, seconds. */
  readonly longestSeconds: number;
  /** The usual wait, seconds: the median of all requests. */
  readonly usualSeconds: number;
  readonly failed: number;
}

/** Few, so that the wait for a thread is short. Both workers still hold requests at any time. */
const IN_FLIGHT = 4;
const KILL_AFTER_MS = 3_000;
/** Longer than any recovery that was seen. */
const SECONDS = 20;

/**
 * Kills one of two workers with SIGKILL under a closed loop. The killed worker's requests wait longest. A run of the model takes some
 * 100 ms, so that the worker holds requests when it is killed: with a fast model it often held none.
 */
export async function measureRecovery(side: Side, scratch: string): Promise<RecoveryFigures> {
  const running = await startSide(side, { workers: 2 });
  try {
    const pushed = await pushModel(running, slowModel(scratch, 1));
    const report = load({
      ...jsonRequest(running.stack.url, pushed),
      inFlight: IN_FLIGHT,
      warmupSeconds: 1,
      seconds: SECONDS,
    });
    await sleep(KILL_AFTER_MS);
    process.kill(running.stack.pids.workers[0] ?? 0, 'SIGKILL');
    const { max, p50, failed } = await report;
    return { longestSeconds: max / 1e3, usualSeconds: p50 / 1e3, failed };
  } finally {
    await running.stop();
  }
}
