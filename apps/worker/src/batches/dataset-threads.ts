import { Worker } from 'node:worker_threads';
import { SconceError, deserializeError, toSconceError } from '@sconce/errors';
import type { DatasetTaskKind, DatasetTasks, FromThread, RunPiece, RunRequest, ToThread } from './dataset-protocol.ts';
import type { DatasetThreadOptions } from './scoring-plan.ts';
import { freeTensors, transferList } from './transfer-list.ts';

/** A thread that has had nothing to do for so long ends: an idle worker is small. */
const IDLE_MS = 30_000;
/** What parsing leaves behind lives for one block: more room makes nothing faster. */
const YOUNG_GENERATION_MB = 12;

/** How a task is to be done. */
export interface TaskOptions {
  /** Runs rows for the task. */
  readonly run?: (request: RunRequest) => Promise<readonly RunPiece[]>;
  /** Ends the task, which then fails with the signal's reason. */
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly id: number;
  readonly options: TaskOptions;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  task: Pending | undefined;
  idleTimer: NodeJS.Timeout | undefined;
}

/**
 * The threads that read, parse and write datasets, so that the event loop does none of it. Each does one task at a time; they are started
 * when there is something to do.
 *
 * States: *open* → *closing* (`close`: takes nothing new, ends the threads whatever they do) → *closed*.
 */
export class DatasetThreads {
  readonly #options: DatasetThreadOptions;
  readonly #size: number;
  readonly #threads = new Set<Thread>();
  readonly #waiting: { readonly message: ToThread & { id: number }; readonly pending: Pending }[] = [];
  #nextId = 1;
  #closed = false;

  constructor(options: DatasetThreadOptions, size: number) {
    this.#options = options;
    this.#size = size;
  }

  /** Does a task. Throws what it failed with; `shutting_down` once closed. */
  async do<K extends DatasetTaskKind>(
    kind: K,
    task: DatasetTasks[K]['task'],
    options: TaskOptions = {},
  ): Promise<DatasetTasks[K]['reply']> {
    if (this.#closed) throw shuttingDown();
    options.signal?.throwIfAborted();
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const pending: Pending = { id, options, resolve, reject };
    this.#waiting.push({ message: { kind, id, task } as ToThread & { id: number }, pending });
    this.#dispatch();
    const onAbort = (): void => this.#abort(pending);
    options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return (await promise) as DatasetTasks[K]['reply'];
    } finally {
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Ends the threads; what they were doing fails with `shutting_down`. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { pending } of this.#waiting.splice(0)) pending.reject(shuttingDown());
    await Promise.all(
      [...this.#threads].map(async (thread) => {
        thread.task?.reject(shuttingDown());
        thread.task = undefined;
        await thread.worker.terminate();
      }),
    );
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const thread = [...this.#threads].find(({ task }) => task === undefined) ?? this.#start();
      const next = thread === undefined ? undefined : this.#waiting.shift();
      if (thread === undefined || next === undefined) return;
      clearTimeout(thread.idleTimer);
      thread.task = next.pending;
      thread.worker.ref();
      thread.worker.postMessage(next.message);
    }
  }

  #start(): Thread | undefined {
    if (this.#threads.size >= this.#size) return undefined;
    // From source (tests) the thread is TypeScript too, and finds the libraries' sources by the same condition.
    const fromSource = import.meta.url.endsWith('.ts');
    const worker = new Worker(new URL(`./dataset.thread.${fromSource ? 'ts' : 'js'}`, import.meta.url), {
      workerData: this.#options,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
      ...(fromSource ? { execArgv: ['--conditions=@sconce/source', '--no-warnings'] } : {}),
    });
    const thread: Thread = { worker, task: undefined, idleTimer: undefined };
    worker.on('message', (message: FromThread) => {
      this.#onMessage(thread, message);
    });
    worker.on('error', (cause) => {
      thread.task?.reject(new SconceError('thread_crashed', `A dataset thread ended: ${cause.message}`, { cause }));
      thread.task = undefined;
    });
    worker.on('exit', () => {
      this.#threads.delete(thread);
      clearTimeout(thread.idleTimer);
      thread.task?.reject(new SconceError('thread_crashed', 'A dataset thread ended while it had something to do.'));
      thread.task = undefined;
      if (!this.#closed) this.#dispatch();
    });
    this.#threads.add(thread);
    return thread;
  }

  #onMessage(thread: Thread, message: FromThread): void {
    const { task } = thread;
    // What comes of a task that has ended already (its signal was aborted) is nobody's.
    if (message.kind === 'run') {
      void this.#run(thread, message, task?.id === message.id ? task : undefined);
      return;
    }
    if (task?.id !== message.id) return;
    if (message.kind === 'reply') task.resolve(message.reply);
    else task.reject(deserializeError(message.error));
    thread.task = undefined;
    this.#dispatch();
    if (thread.task !== undefined) return;
    thread.worker.unref();
    thread.idleTimer = setTimeout(() => {
      if (thread.task === undefined) void thread.worker.terminate();
    }, IDLE_MS).unref();
  }

  async #run(thread: Thread, { run, request }: FromThread & { kind: 'run' }, task: Pending | undefined): Promise<void> {
    let answer: ToThread;
    try {
      if (task?.options.run === undefined) throw new SconceError('job_cancelled', 'The task was ended.');
      answer = { kind: 'ran', run, pieces: await task.options.run(request) };
    } catch (error) {
      answer = { kind: 'failed', run, error: toSconceError(error).toJSON() };
    }
    freeTensors(request.inputs);
    const outputs =
      answer.kind === 'ran' ? answer.pieces.flatMap((piece) => ('outputs' in piece ? piece.outputs : [])) : [];
    thread.worker.postMessage(answer, transferList(outputs));
  }

  /** A waiting task is dropped; one that runs is told, and answers with an error as soon as it can. */
  #abort(pending: Pending): void {
    const waiting = this.#waiting.findIndex((entry) => entry.pending === pending);
    if (waiting >= 0) {
      this.#waiting.splice(waiting, 1);
      pending.reject(reasonOf(pending));
      return;
    }
    for (const { worker, task } of this.#threads) {
      if (task === pending) worker.postMessage({ kind: 'abort', id: pending.id } satisfies ToThread);
    }
  }
}

function reasonOf({ options }: Pending): Error {
  return toSconceError(options.signal?.reason, 'job_cancelled');
}

function shuttingDown(): SconceError {
  return new SconceError('shutting_down', 'This worker is shutting down; the work goes to another one.');
}
