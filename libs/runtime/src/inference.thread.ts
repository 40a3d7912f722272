import { BroadcastChannel, threadId, workerData } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { toSconceError } from '@sconce/errors';
import { releaseWhenIdle } from '@sconce/process/memory';
import type { Tensor } from '@sconce/tensor';
import { checkOutputs } from './output-budget.ts';
import { OnnxSession } from './onnx-session.ts';
import { openChecked } from './open-checked.ts';
import { SessionCache } from './session-cache.ts';
import { verifyFiles } from './verify-files.ts';
import type {
  RunTask,
  SharedTensor,
  ThreadNotice,
  ThreadOptions,
  ThreadOutput,
  ThreadReply,
  ThreadTask,
} from './thread-protocol.ts';

// The code of a piscina thread: it takes tasks and answers with replies. Errors are sent as data, so that they keep their codes.

const options = workerData as ThreadOptions;
const sessions = new SessionCache<OnnxSession>({
  open: (file) => openChecked(file, options),
  maxModels: options.maxModels,
  maxBytes: options.maxModelBytes,
  budgetFrom: options.modelBudgetFrom,
});

const notices = new BroadcastChannel(options.noticeChannel);
notices.onmessage = (event) => {
  const notice = (event as { data: ThreadNotice }).data;
  void sessions.evict(notice.unload);
};
notices.unref();
// Gives back the memory that the start and the loading of models took.
releaseWhenIdle();

const now = (): number => performance.timeOrigin + performance.now();

/** The task handler that piscina calls. It never rejects because of the model or its input. */
export default async function handleTask(task: ThreadTask): Promise<ThreadReply> {
  const receivedAtMs = now();
  try {
    switch (task.kind) {
      case 'inspect': {
        const session = await OnnxSession.open(task.file.path, { intraOpThreads: options.intraOpThreads });
        await session.release();
        return { ok: true, kind: 'inspect', signature: session.signature };
      }
      case 'verify':
        await verifyFiles(task.files);
        return { ok: true, kind: 'verify' };
      case 'load':
        return await sessions.use(task.file, async (_session, loaded) => {
          return { ok: true, kind: 'load', loadMs: loaded ? now() - receivedAtMs : 0 };
        });
      case 'run':
        return await sessions.use(task.file, (session, loaded) => run(session, task, { receivedAtMs, loaded }));
    }
  } catch (error) {
    return { ok: false, error: toSconceError(error, 'inference_failed').toJSON() };
  }
}

async function run(
  session: OnnxSession,
  task: RunTask,
  { receivedAtMs, loaded }: { receivedAtMs: number; loaded: boolean },
): Promise<ThreadReply> {
  const loadMs = loaded ? now() - receivedAtMs : 0;
  const inShared = (tensor: SharedTensor): Tensor => ({
    name: tensor.name,
    datatype: tensor.datatype,
    shape: tensor.shape,
    data: new Uint8Array(task.buffer, tensor.byteOffset, tensor.byteLength),
  });
  const inputs = task.inputs.map(inShared);
  const slots = new Map(
    task.outputs.flatMap(({ name, slot }) => (slot === undefined ? [] : [[name, inShared(slot)] as const])),
  );
  const runStartMs = now();
  const results = await session.run(
    inputs,
    task.outputs.map((output) => output.name),
    slots,
  );
  const runEndMs = now();

  checkOutputs(results, task.maxOutput);
  const transfer: ArrayBuffer[] = [];
  const outputs = results.map(({ name, datatype, shape, data }): ThreadOutput => {
    if (slots.has(name)) return { name, datatype, shape };
    // The runtime owns `data`: it is copied once, and the copy is transferred.
    const copy = data.slice();
    transfer.push(copy.buffer);
    return { name, datatype, shape, data: copy };
  });
  const timing = { threadId, runStartMs, runEndMs, loadMs, held: sessions.held };
  const reply: ThreadReply = { ok: true, kind: 'run', outputs, timing };
  if (transfer.length === 0) return reply;
  // piscina's protocol for a reply that transfers memory.
  return move({ [transferableSymbol]: transfer, [valueSymbol]: reply }) as unknown as ThreadReply;
}
