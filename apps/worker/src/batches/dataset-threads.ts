import { Worker } from 'node:worker_threads';
import { SconceError, deserializeError, toSconceError } from '@sconce/errors';
import type { DatasetTaskKind, DatasetTasks, FromThread, RunPiece, RunRequest, ToThread } from './dataset-protocol.ts';
import type { DatasetThreadOptions } from './scoring-plan.ts';
import { overLimit, TaskClock } from './task-clock.ts';
import { ThreadWatch, type Exceeded } from './thread-watch.ts';
import { freeTensors, transferList } from './transfer-list.ts';

/** A thread ends after so long without a task, so that an idle worker needs little memory. */
const IDLE_MS = 30_000;
/** V8's young generation in each thread. Objects from parsing live for one block: a larger one is not faster. */
const YOUNG_GENERATION_MB = 9;
/** How long a task that was aborted may take to end, ms. Then nobody waits for it any more. */
const ABORT_MS = 2_000;

/** Options of a task. */
export interface TaskOptions {
  /** Runs rows for the task. */
  readonly run?: (request: RunRequest) => Promise<readonly RunPiece[]>;
  /** Ends the task. It then fails. */
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly id: number;
  readonly kind: DatasetTaskKind;
  readonly message: ToThread;
  readonly options: TaskOptions;
  readonly clock: TaskClock;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
  /** It runs again, in a thread without other tasks, because it was in a thread that exceeded a limit. */
  isAlone: boolean;
}

/** The places of a thread. It has at most one task of each, at the same time: other tasks than scoring mostly wait for files. */
type Role = 'score' | 'validate' | 'other';

interface Thread {
  readonly worker: Worker;
  readonly watch: ThreadWatch;
  readonly tasks: Map<Role, Pending>;
  /** It ends with its last task. */
  isRetiring: boolean;
  idleTimer: NodeJS.Timeout | undefined;
}

/**
 * The threads that read, parse and write datasets, so that the event loop does not. Each thread scores one chunk at a time, and validates one
 * dataset and plans or assembles at the same time (a separate thread for that would take 30 MB). Threads are started when there is a
 * task. ADR 22 says why they are not a piscina pool.
 *
 * Each task has limits (`DatasetLimits`). A thread that exceeds one is replaced. Its tasks are suspects: each runs again, alone in a
 * thread. The task that exceeds the limit alone fails, and the others have their replies.
 *
 * States: *open* → *closing* (`close`: refuses new tasks, ends the threads at once) → *closed*.
 */
export class DatasetThreads {
  readonly #options: DatasetThreadOptions;
  readonly #size: number;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Pending[] = [];
  #nextId = 1;
  #closed = false;

  /** @param size most threads. */
  constructor(options: DatasetThreadOptions, size: number) {
    this.#options = options;
    this.#size = size;
  }

  /**
   * Has a thread do a task. Throws the task's error, or `shutting_down` after `close`. A task that exceeds a limit fails with
   * `invalid_dataset`, which names the limit.
   */
  async do<K extends DatasetTaskKind>(
    kind: K,
    task: DatasetTasks[K]['task'],
    options: TaskOptions = {},
  ): Promise<DatasetTasks[K]['reply']> {
    if (this.#closed) throw shuttingDown();
    options.signal?.throwIfAborted();
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const message = { kind, id, task } as ToThread;
    const clock = new TaskClock(this.#options.limits.taskMs, () =>
      this.#end(pending, overLimit(kind, 'time', this.#options.limits)),
    );
    const pending: Pending = { id, kind, message, options, clock, resolve, reject, isAlone: false };
    this.#waiting.push(pending);
    this.#dispatch();
    const onAbort = (): void => this.#abort(pending);
    options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return (await promise) as DatasetTasks[K]['reply'];
    } finally {
      clock.stop();
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Ends the threads. Their tasks and waiting tasks fail with `shutting_down`. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const pending of this.#waiting.splice(0)) pending.reject(shuttingDown());
    await Promise.all(
      [...this.#threads].map(async (thread) => {
        failAll(thread, shuttingDown());
        thread.watch.stop();
        await thread.worker.terminate();
      }),
    );
  }

  #dispatch(): void {
    for (let at = 0; at < this.#waiting.length;) {
      const next = this.#waiting[at];
      const thread = next === undefined ? undefined : this.#threadFor(next);
      if (next === undefined || thread === undefined) {
        at += 1;
        continue;
      }
      this.#waiting.splice(at, 1);
      clearTimeout(thread.idleTimer);
      thread.tasks.set(roleOf(next), next);
      thread.watch.start();
      thread.worker.ref();
      thread.worker.postMessage(next.message);
      next.clock.start();
    }
  }

  /** A thread whose place for this task is free: an idle one, else a new one, else a busy one. */
  #threadFor(pending: Pending): Thread | undefined {
    const role = roleOf(pending);
    const able = [...this.#threads].filter(
      ({ tasks, isRetiring }) => !isRetiring && !tasks.has(role) && ![...tasks.values()].some(isAlone),
    );
    const idle = able.find(({ tasks }) => tasks.size === 0) ?? this.#start();
    return idle ?? (pending.isAlone ? undefined : able[0]);
  }

  #start(): Thread | undefined {
    if (this.#threads.size >= this.#size) return undefined;
    // From source (tests) the thread is TypeScript too, and this condition finds the sources of the libraries.
    const fromSource = import.meta.url.endsWith('.ts');
    const { threadUrl = new URL(`./dataset.thread.${fromSource ? 'ts' : 'js'}`, import.meta.url), ...workerData } =
      this.#options;
    const worker = new Worker(threadUrl, {
      workerData,
      resourceLimits: {
        maxYoungGenerationSizeMb: YOUNG_GENERATION_MB,
        maxOldGenerationSizeMb: Math.ceil(workerData.limits.memoryBytes / 1024 ** 2),
      },
      execArgv: fromSource ? ['--conditions=@sconce/source', '--no-warnings'] : undefined,
    });
    const watch = new ThreadWatch(worker, workerData.limits, (exceeded) => this.#replace(thread, exceeded));
    const thread: Thread = { worker, watch, tasks: new Map(), isRetiring: false, idleTimer: undefined };
    worker.on('message', (message: FromThread) => {
      this.#onMessage(thread, message);
    });
    worker.on('error', (cause) => {
      if ((cause as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY') this.#replace(thread, 'memory');
      else failAll(thread, new SconceError('thread_crashed', `A dataset thread ended: ${cause.message}`, { cause }));
    });
    worker.on('exit', () => {
      this.#threads.delete(thread);
      thread.watch.stop();
      clearTimeout(thread.idleTimer);
      failAll(thread, new SconceError('thread_crashed', 'A dataset thread ended before its task.'));
      if (!this.#closed) this.#dispatch();
    });
    this.#threads.add(thread);
    return thread;
  }

  #onMessage(thread: Thread, message: FromThread): void {
    if (message.kind === 'started') return thread.watch.started(message.taskId);
    if (message.kind === 'pong') return thread.watch.answered();
    // A message of a task that has already ended is dropped.
    const task = [...thread.tasks.values()].find(({ id }) => id === message.id);
    if (message.kind === 'run') {
      void this.#run(thread, message, task);
      return;
    }
    if (task === undefined) return;
    if (message.kind === 'reply') task.resolve(message.reply);
    else task.reject(deserializeError(message.error));
    this.#free(thread, task);
  }

  /** Gives a task's place to the next task. */
  #free(thread: Thread, task: Pending): void {
    thread.tasks.delete(roleOf(task));
    if (thread.isRetiring && thread.tasks.size === 0) return this.#retire(thread);
    this.#dispatch();
    if (thread.tasks.size > 0) return;
    thread.watch.stop();
    thread.worker.unref();
    thread.idleTimer = setTimeout(() => {
      if (thread.tasks.size === 0) void thread.worker.terminate();
    }, IDLE_MS).unref();
  }

  async #run(thread: Thread, { run, request }: FromThread & { kind: 'run' }, task: Pending | undefined): Promise<void> {
    let answer: ToThread;
    task?.clock.pause();
    try {
      if (task?.options.run === undefined) throw new SconceError('job_cancelled', 'The task was ended.');
      answer = { kind: 'ran', run, pieces: await task.options.run(request) };
    } catch (error) {
      answer = { kind: 'failed', run, error: toSconceError(error).toJSON() };
    }
    task?.clock.resume();
    freeTensors(request.inputs);
    const outputs =
      answer.kind === 'ran' ? answer.pieces.flatMap((piece) => ('outputs' in piece ? piece.outputs : [])) : [];
    thread.worker.postMessage(answer, transferList(outputs));
  }

  /** Ends a thread that exceeds a limit. A task that was alone in it fails; several run again, each alone. */
  #replace(thread: Thread, exceeded: Exceeded): void {
    if (!this.#threads.has(thread) || this.#closed) return;
    const [task, ...others] = thread.tasks.values();
    if (task !== undefined && others.length === 0) {
      thread.tasks.clear();
      task.reject(overLimit(task.kind, exceeded, this.#options.limits));
    }
    this.#retire(thread);
  }

  /** Ends a thread at once. Its tasks run again, each alone. */
  #retire(thread: Thread): void {
    this.#threads.delete(thread);
    thread.watch.stop();
    for (const task of thread.tasks.values()) {
      task.clock.stop();
      if (task.options.signal?.aborted === true) task.reject(reasonOf(task));
      else this.#waiting.unshift(Object.assign(task, { isAlone: true }));
    }
    thread.tasks.clear();
    void thread.worker.terminate();
    this.#dispatch();
  }

  /** Drops a waiting task. A task that runs is told, and answers with an error as soon as it can. */
  #abort(pending: Pending): void {
    const waiting = this.#waiting.indexOf(pending);
    if (waiting >= 0) {
      this.#waiting.splice(waiting, 1);
      pending.reject(reasonOf(pending));
      return;
    }
    const thread = this.#threadOf(pending);
    if (thread === undefined) return;
    thread.worker.postMessage({ kind: 'abort', id: pending.id } satisfies ToThread);
    setTimeout(() => this.#end(pending, reasonOf(pending)), ABORT_MS).unref();
  }

  /** Ends a task that does not end. Its thread takes no more tasks: it is busy, or does something that nobody waits for. */
  #end(pending: Pending, error: Error): void {
    const thread = this.#threadOf(pending);
    if (thread === undefined || this.#closed) return;
    pending.reject(error);
    thread.tasks.delete(roleOf(pending));
    if (thread.watch.isBusy || thread.tasks.size === 0) this.#retire(thread);
    else thread.isRetiring = true;
  }

  #threadOf(pending: Pending): Thread | undefined {
    return [...this.#threads].find(({ tasks }) => tasks.get(roleOf(pending)) === pending);
  }
}

function roleOf({ kind }: Pending): Role {
  return kind === 'score' || kind === 'validate' ? kind : 'other';
}

function isAlone(pending: Pending): boolean {
  return pending.isAlone;
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
