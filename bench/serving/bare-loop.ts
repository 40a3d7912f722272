/**
 * Measures the limit of the runtime: threads that only run the model, each with its own session.
 *
 * It runs as its own process: send a `BarePlan`, receive a `BareReport`.
 */
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { OnnxSession } from '@sconce/runtime';
import { bindCall, type Tensor } from '@sconce/tensor';

export interface BarePlan {
  readonly path: string;
  /** One call's inputs, in order. */
  readonly inputs: readonly Tensor[];
  /** Rows of that call. */
  readonly rows: number;
  readonly threads: number;
  /** Threads of ONNX Runtime in each session; default 1. */
  readonly intraOp?: number;
  readonly seconds: number;
}

export interface BareReport {
  readonly rowsPerSecond: number;
  /** Mean time of a call, ms. */
  readonly latencyMs: number;
}

const WARMUP_SECONDS = 1;

async function loop({ path, inputs: given, intraOp = 1, seconds }: BarePlan): Promise<number> {
  const session = await OnnxSession.open(path, { intraOpThreads: intraOp });
  const inputs = bindCall({ tensors: given, byName: false }, session.signature.inputs);
  const outputs = session.signature.outputs.map(({ name }) => name);
  let calls = 0;
  const fromMs = performance.now() + WARMUP_SECONDS * 1e3;
  for (let now = performance.now(); now < fromMs + seconds * 1e3; now = performance.now()) {
    await session.run(inputs, outputs, new Map());
    if (now >= fromMs) calls += 1;
  }
  await session.release();
  return calls;
}

if (isMainThread) {
  process.once('message', (plan: BarePlan) => {
    const threads = Array.from({ length: plan.threads }, async () => {
      const thread = new Worker(new URL(import.meta.url), { workerData: plan });
      // Both at once: the thread may end in the turn in which its message comes.
      const [[calls]] = await Promise.all([once(thread, 'message') as Promise<[number]>, once(thread, 'exit')]);
      return calls;
    });
    void Promise.all(threads).then((calls) => {
      const total = calls.reduce((sum, own) => sum + own, 0);
      const answer: BareReport = {
        rowsPerSecond: (total * plan.rows) / plan.seconds,
        latencyMs: (plan.seconds * plan.threads * 1e3) / total,
      };
      process.send?.(answer, () => process.exit(0));
    });
  });
} else {
  parentPort?.postMessage(await loop(workerData as BarePlan));
}
