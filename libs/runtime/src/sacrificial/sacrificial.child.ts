import { Worker } from 'node:worker_threads';
import { toSconceError } from '@sconce/errors';
import { epochMs } from '@sconce/process/time';
import type { Tensor } from '@sconce/tensor';
import type { OnnxSession } from '../onnx-session.ts';
import { openChecked } from '../open-checked.ts';
import { checkOutputs } from '../output-budget.ts';
import { SessionCache } from '../session-cache.ts';
import type { FromSacrificial, SacrificialOptions, SacrificialRun, ToSacrificial } from './sacrificial-protocol.ts';

// The code of the sacrificial process: one run at a time, in its main thread. Native code may end it at any moment.

/** While native code runs, only another thread sees that the parent process has ended. */
const END_WITH_PARENT = `
  const parent = process.ppid;
  setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL'); }, 500);
`;

const send = (message: FromSacrificial): Promise<void> =>
  new Promise((resolve) => {
    process.send?.(message, () => resolve());
  });

let sessions: SessionCache<OnnxSession> | undefined;
let go: (() => void) | undefined;

process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.on('message', (message) => {
  const received = message as ToSacrificial;
  switch (received.kind) {
    case 'start':
      sessions = start(received);
      return;
    case 'go':
      go?.();
      return;
    case 'run':
      void run(received).then(send, (error: unknown) =>
        send({ kind: 'failed', error: toSconceError(error, 'inference_failed').toJSON() }),
      );
  }
});

function start({ intraOpThreads, maxModels, maxModelBytes }: SacrificialOptions): SessionCache<OnnxSession> {
  const resourceLimits = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 };
  new Worker(END_WITH_PARENT, { eval: true, resourceLimits, execArgv: [] }).unref();
  void send({ kind: 'ready' });
  return new SessionCache({
    open: (file) => openChecked(file, { intraOpThreads }),
    maxModels,
    maxBytes: maxModelBytes,
  });
}

async function run({ file, inputs, outputs, maxOutput }: SacrificialRun): Promise<FromSacrificial> {
  if (sessions === undefined) throw new Error('the process was not started');
  const receivedMs = epochMs();
  return sessions.use(file, async (session, loaded) => {
    const loadMs = loaded ? epochMs() - receivedMs : 0;
    const began = new Promise<void>((resolve) => (go = resolve));
    await send({ kind: 'loaded', loadMs });
    await began;
    const runStartMs = epochMs();
    const results = await session.run(inputs.map(aligned), outputs, new Map());
    checkOutputs(results, maxOutput);
    return { kind: 'done', outputs: results, runStartMs, runEndMs: epochMs(), loadMs };
  });
}

/** The data of a message lies anywhere in its bytes. */
function aligned(tensor: Tensor): Tensor {
  return { ...tensor, data: Uint8Array.from(tensor.data) };
}
