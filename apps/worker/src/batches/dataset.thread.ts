import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { SconceError, deserializeError, toSconceError } from '@sconce/errors';
import { openBlobStore } from '@sconce/storage';
import type { FromThread, RunPiece, RunRequest, ToThread } from './dataset-protocol.ts';
import { DatasetSources } from './dataset-sources.ts';
import type { DatasetThreadOptions } from './scoring-plan.ts';
import { transferList } from './transfer-list.ts';
import { assembleResults } from './tasks/assemble-results.ts';
import { planChunks } from './tasks/plan-chunks.ts';
import { scoreChunk } from './tasks/score-chunk.ts';
import type { TaskContext } from './tasks/task-context.ts';
import { validateDataset } from './tasks/validate-dataset.ts';

/** Lower priority than the event loop and the inference threads, which answer online requests. */
const NICENESS = 5;

const port = parentPort;
if (port === null) throw new Error('dataset.thread must be started as a worker thread');
try {
  // On Linux this is the priority of this thread only.
  setPriority(0, NICENESS);
} catch {
  // Not allowed here: the thread keeps the priority of the others.
}

const options = workerData as DatasetThreadOptions;
let opened: Promise<Pick<TaskContext, 'store' | 'sources'>> | undefined;
const running = new Map<number, AbortController>();
const runs = new Map<number, { resolve: (pieces: readonly RunPiece[]) => void; reject: (error: Error) => void }>();
let nextRun = 1;

/** Opens the store at the first task. If it is away, that task fails with the reason, and the next task tries again. */
async function openStore(): Promise<Pick<TaskContext, 'store' | 'sources'>> {
  opened ??= openBlobStore(options.storage, { mustExist: true }).then((store) => {
    return { store, sources: new DatasetSources(store, { roots: options.datasetRoots, s3: options.s3 }) };
  });
  try {
    return await opened;
  } catch (error) {
    opened = undefined;
    throw error;
  }
}

function send(message: FromThread, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

function run(id: number, request: RunRequest): Promise<readonly RunPiece[]> {
  const number = nextRun++;
  const { promise, resolve, reject } = Promise.withResolvers<readonly RunPiece[]>();
  runs.set(number, { resolve, reject });
  // If another block failed first, nothing waits for this promise.
  promise.catch(() => undefined);
  send({ kind: 'run', id, run: number, request }, transferList(request.inputs));
  return promise;
}

type Task = Exclude<ToThread, { kind: 'ran' | 'failed' | 'abort' | 'ping' }>;

async function perform(message: Task, context: TaskContext): Promise<unknown> {
  switch (message.kind) {
    case 'validate':
      return validateDataset(message.task, context);
    case 'plan':
      return planChunks(message.task, context);
    case 'score':
      return scoreChunk(message.task, context);
    case 'assemble':
      return assembleResults(message.task, context);
  }
}

async function take(message: Task): Promise<void> {
  const { id } = message;
  const abort = new AbortController();
  running.set(id, abort);
  try {
    const { limits } = options;
    const { store, sources } = await openStore();
    const context: TaskContext = { store, sources, limits, signal: abort.signal, run: (request) => run(id, request) };
    send({ kind: 'reply', id, reply: await perform(message, context) });
  } catch (error) {
    send({ kind: 'error', id, error: toSconceError(error).toJSON() });
  } finally {
    running.delete(id);
  }
}

port.on('message', (message: ToThread) => {
  switch (message.kind) {
    case 'ran':
      runs.get(message.run)?.resolve(message.pieces);
      runs.delete(message.run);
      return;
    case 'failed':
      runs.get(message.run)?.reject(deserializeError(message.error));
      runs.delete(message.run);
      return;
    case 'ping':
      send({ kind: 'pong' });
      return;
    case 'abort':
      running.get(message.id)?.abort(new SconceError('job_cancelled', 'The batch takes no more results.'));
      return;
    default:
      void take(message);
  }
});

send({ kind: 'started', taskId: ownTaskId() });

/** The number of this thread at the system; undefined where the system does not tell. */
function ownTaskId(): number | undefined {
  try {
    return Number(basename(readlinkSync('/proc/thread-self')));
  } catch {
    return undefined;
  }
}
