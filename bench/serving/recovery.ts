import { setTimeout as sleep } from 'node:timers/promises';
import { load } from '../support/in-process.ts';
import { jsonRequest } from '../support/stack.ts';
import type { BenchModel } from './models.ts';
import { pushModel, startSide, type Side } from './sides.ts';

/** After a worker was killed while requests were in flight. */
export interface RecoveryFigures {
  /** The longest wait of any request, seconds. */
  readonly longestSeconds: number;
  readonly failed: number;
}

const IN_FLIGHT = 64;
const KILL_AFTER_MS = 3_000;
/** Longer than any recovery that was seen. */
const SECONDS = 20;

/** Kills one of two workers with SIGKILL under a closed loop. The killed worker's requests wait longest. */
export async function measureRecovery(side: Side, model: BenchModel): Promise<RecoveryFigures> {
  const running = await startSide(side, { workers: 2 });
  try {
    const pushed = await pushModel(running, model);
    const report = load({
      ...jsonRequest(running.stack.url, pushed),
      inFlight: IN_FLIGHT,
      warmupSeconds: 1,
      seconds: SECONDS,
    });
    await sleep(KILL_AFTER_MS);
    process.kill(running.stack.pids.workers[0] ?? 0, 'SIGKILL');
    const { max, failed } = await report;
    return { longestSeconds: max / 1e3, failed };
  } finally {
    await running.stop();
  }
}
