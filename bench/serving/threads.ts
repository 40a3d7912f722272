import { load, median } from '../support/in-process.ts';
import { memoryMiB } from '../support/processes.ts';
import { sconceRequest, startBenchStack } from '../support/stack.ts';
import type { BenchModel } from './models.ts';

/** A worker with threads that all hold one model. */
export interface ThreadFigures {
  readonly threads: number;
  /** Memory of the worker process under load, MiB. Pages shared with other processes count in part. */
  readonly memoryMiB: number;
  /** Requests per second, one row each, with four in flight per thread. */
  readonly perSecond: number;
}

const THREADS = [1, 2, 4] as const;

/** Shows that threads share one copy of the weights: workers with 1, 2 and 4 threads in turn. `data` has the model. */
export async function measureThreads(options: {
  readonly model: BenchModel;
  readonly data: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly onProgress: (text: string) => void;
}): Promise<readonly ThreadFigures[]> {
  const { model, data, rounds, seconds, onProgress } = options;
  const runs = new Map(THREADS.map((threads) => [threads, [] as ThreadFigures[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [threads, figures] of runs) {
      onProgress(`${model.name}, ${threads} threads: round ${round + 1} of ${rounds}`);
      const stack = await startBenchStack({
        data,
        env: { SCONCE_THREADS: String(threads), SCONCE_MAX_BATCH_ROWS: '1' },
      });
      try {
        const { perSecond } = await load({
          ...sconceRequest(stack.url, model),
          inFlight: 4 * threads,
          warmupSeconds: 2,
          seconds,
        });
        figures.push({ threads, perSecond, memoryMiB: memoryMiB(stack.pids.workers) });
      } finally {
        await stack.stop();
      }
    }
  }
  return [...runs].map(([threads, figures]) => ({
    threads,
    perSecond: median(figures.map((figure) => figure.perSecond)),
    memoryMiB: median(figures.map((figure) => figure.memoryMiB)),
  }));
}
