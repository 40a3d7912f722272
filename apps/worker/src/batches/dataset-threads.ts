import { Worker } from 'node:worker_threads';
import { SconceError, deserializeError, toSconceError } from '@sconce/errors';
import type { DatasetTaskKind, DatasetTasks, FromThread, RunPiece, RunRequest, ToThread } from './dataset-protocol.ts';
import type { DatasetThreadOptions } from './scoring-plan.ts';
import { freeTensors, transferList } from './transfer-list.ts';

/** A thread ends after so long without a task, so that an idle worker needs little memory. */
const IDLE_MS = 30_000;
/** V8's young generation in each thread. Objects from parsing live for one block: a larger one is not faster. */
const YOUNG_GENERATION_MB = 9;

/** Options of a task. */
export interface TaskOptions {
  /** Runs rows for the task. */
  readonly run?: (request: RunRequest) => Promise<readonly RunPiece[]>;
  /** Ends the task. It then fails. */
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly id: number;
  readonly role: Role;
  readonly options: TaskOptions;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The two places of a thread: it scores one chunk, and does one other task at the same time. That task mostly waits for files. */
type Role = 'score' | 'other';

interface Thread {
  readonly worker: Worker;
  readonly tasks: Map<Role, Pending>;
  idleTimer: NodeJS.Timeout | undefined;
}

/**
 * The threads that read, parse and write datasets, so that the event loop does not. Each thread scores one chunk at a time, and plans,
 * validates or assembles at the same time (a separate thread for that would take 30 MB). Threads are started when there is a task. ADR 22
 * says why they are not a piscina pool.
 *
 * States: *open* → *closing* (`close`: refuses new tasks, ends the threads at once) → *closed*.
 */
export class DatasetThreads {
  readonly #options: DatasetThreadOptions;
  readonly #size: number;
  readonly #threads = new Set<Thread>();
  readonly #waiting: { readonly message: ToThread & { id: number }; readonly pending: Pending }[] = [];
  #nextId = 1;
  #closed = false;

  /** @param size most threads. */
  constructor(options: DatasetThreadOptions, size: number) {
    this.#options = options;
    this.#size = size;
  }

  /** Has a thread do a task. Throws the task's error, or `shutting_down` after `close`. */
  async do<K extends DatasetTaskKind>(
    kind: K,
    task: DatasetTasks[K]['task'],
    options: TaskOptions = {},
  ): Promise<DatasetTasks[K]['reply']> {
    if (this.#closed) throw shuttingDown();
    options.signal?.throwIfAborted();
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const pending: Pending = { id, role: kind === 'score' ? 'score' : 'other', options, resolve, reject };
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

  /** Ends the threads. Their tasks and waiting tasks fail with `shutting_down`. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { pending } of this.#waiting.splice(0)) pending.reject(shuttingDown());
    await Promise.all(
      [...this.#threads].map(async (thread) => {
        failAll(thread, shuttingDown());
        await thread.worker.terminate();
      }),
    );
  }

  #dispatch(): void {
    for (let at = 0; at < this.#waiting.length;) {
      const next = this.#waiting[at];
      const thread = next === undefined ? undefined : this.#threadFor(next.pending.role);
      if (next === undefined || thread === undefined) {
        at += 1;
        continue;
      }
      this.#waiting.splice(at, 1);
      clearTimeout(thread.idleTimer);
      thread.tasks.set(next.pending.role, next.pending);
      thread.worker.ref();
      thread.worker.postMessage(next.message);
    }
  }

  /** A thread whose place for this role is free: an idle one, else a new one, else a busy one. */
  #threadFor(role: Role): Thread | undefined {
    const able = [...this.#threads].filter(({ tasks }) => !tasks.has(role));
    return able.find(({ tasks }) => tasks.size === 0) ?? this.#start() ?? able[0];
  }

  #start(): Thread | undefined {
    if (this.#threads.size >= this.#size) return undefined;
    // From source (tests) the thread is TypeScript too, and this condition finds the sources of the libraries.
    const fromSource = import.meta.url.endsWith('.ts');
    const worker = new Worker(new URL(`./dataset.thread.${fromSource ? 'ts' : 'js'}`, import.meta.url), {
      workerData: this.#options,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
      execArgv: fromSource ? ['--conditions=@sconce/source', '--no-warnings'] : undefined,
    });
    const thread: Thread = { worker, tasks: new Map(), idleTimer: undefined };
    worker.on('message', (message: FromThread) => {
      this.#onMessage(thread, message);
    });
    worker.on('error', (cause) => {
      failAll(thread, new SconceError('thread_crashed', `A dataset thread ended: ${cause.message}`, { cause }));
    });
    worker.on('exit', () => {
      this.#threads.delete(thread);
      clearTimeout(thread.idleTimer);
      failAll(thread, new SconceError('thread_crashed', 'A dataset thread ended before its task.'));
      if (!this.#closed) this.#dispatch();
    });
    this.#threads.add(thread);
    return thread;
  }

  #onMessage(thread: Thread, message: FromThread): void {
    // A message of a task that has already ended is dropped.
    const task = [...thread.tasks.values()].find(({ id }) => id === message.id);
    if (message.kind === 'run') {
      void this.#run(thread, message, task);
      return;
    }
    if (task === undefined) return;
    if (message.kind === 'reply') task.resolve(message.reply);
    else task.reject(deserializeError(message.error));
    thread.tasks.delete(task.role);
    this.#dispatch();
    if (thread.tasks.size > 0) return;
    thread.worker.unref();
    thread.idleTimer = setTimeout(() => {
      if (thread.tasks.size === 0) void thread.worker.terminate();
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

  /** Drops a waiting task. A task that runs is told, and answers with an error as soon as it can. */
  #abort(pending: Pending): void {
    const waiting = this.#waiting.findIndex((entry) => entry.pending === pending);
    if (waiting >= 0) {
      this.#waiting.splice(waiting, 1);
      pending.reject(reasonOf(pending));
      return;
    }
    for (const { worker, tasks } of this.#threads) {
      if (tasks.get(pending.role) === pending) worker.postMessage({ kind: 'abort', id: pending.id } satisfies ToThread);
    }
  }
}

function failAll({ tasks }: Thread, error: Error): void {
  for (const { reject } of tasks.values()) reject(error);
  tasks.clear();
}

function reasonOf({ options }: Pending): Error {
  return toSconceError(options.signal?.reason, 'job_cancelled');
}

function shuttingDown(): SconceError {
  return new SconceError('shutting_down', 'This worker is shutting down; another worker does the work.');
}
