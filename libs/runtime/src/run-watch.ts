import type { ModelFile } from './thread-protocol.ts';

/** A task that a thread has. */
export interface WatchedTask {
  /** The file that it runs or loads. Tasks without a file are not watched. */
  readonly file?: WatchedFile;
  /** The limit of this run, if it is not the instance's. */
  runMs?: number | undefined;
  /** Its time is longer than that of any run of its model before, by far. */
  overdueMs?: number | undefined;
  /** Asked at each check while the run is overdue. True: somebody waits for the thread, and nobody for the run any more. */
  readonly onOverdue?: (() => boolean) | undefined;
}

/** The version whose run is watched. */
export type WatchedFile = Pick<ModelFile, 'model' | 'version' | 'aloneMs'>;

/** A run that does not end. */
export interface HungRun {
  readonly file: WatchedFile;
  /** How long it has run. */
  readonly runMs: number;
  /** Whether nobody waits for it: its requests ran elsewhere, and other threads serve all others. */
  readonly isAbandoned?: true;
}

const FRESH = { wasHung: false, wasOverdue: false, isAbandoned: false };
/** An abandoned run may take so much longer than its requests may take alone, ms: they should be answered before the process ends. */
const ABANDONED_MORE_MS = 1_000;

/** A thread inside a run that nobody waits for. */
export interface AbandonedThread {
  readonly thread: number;
  /** The abandoned run, then those that wait behind it. */
  readonly tasks: readonly WatchedTask[];
}

interface WatchedThread {
  /** In the order in which they were handed over. The first one runs. */
  readonly tasks: WatchedTask[];
  /** When the first one began, ms of `performance.now`. */
  sinceMs: number;
  /** The last check found it over its time. */
  wasHung: boolean;
  /** The last check found it overdue. */
  wasOverdue: boolean;
  /** Nobody waits for its run. */
  isAbandoned: boolean;
}

/**
 * Finds runs that do not end. A thread runs its tasks one after the other, so its first task has run since the task before it was
 * answered. A run counts as hung when two checks in a row find it over its time. If the event loop itself stood still, it receives the
 * waiting answers between the two checks.
 */
export class RunWatch {
  readonly #maxRunMs: number;
  readonly #threads = new Map<number, WatchedThread>();
  readonly #threadOf = new Map<WatchedTask, number>();

  constructor(options: { readonly maxRunMs: number }) {
    this.#maxRunMs = options.maxRunMs;
  }

  /** A task was handed to a thread. */
  started(task: WatchedTask, thread: number, nowMs: number): void {
    const watched = this.#threads.get(thread) ?? { tasks: [], sinceMs: nowMs, ...FRESH };
    if (watched.tasks.length === 0) watched.sinceMs = nowMs;
    watched.tasks.push(task);
    this.#threads.set(thread, watched);
    this.#threadOf.set(task, thread);
  }

  /** The task was answered, or its thread is gone. */
  ended(task: WatchedTask, nowMs: number): void {
    const thread = this.#threadOf.get(task);
    if (thread === undefined) return;
    this.#threadOf.delete(task);
    const watched = this.#threads.get(thread);
    if (watched === undefined) return;
    const at = watched.tasks.indexOf(task);
    watched.tasks.splice(at, 1);
    if (at === 0) Object.assign(watched, { ...FRESH, sinceMs: nowMs });
    if (watched.tasks.length === 0) this.#threads.delete(thread);
  }

  /** Whether the task is the one that its thread runs. */
  isFirst(task: WatchedTask): boolean {
    return this.#threads.get(this.#threadOf.get(task) ?? -1)?.tasks[0] === task;
  }

  /** Returns a hung run, if there is one. To be called from time to time. */
  check(nowMs: number): HungRun | undefined {
    for (const watched of this.#threads.values()) {
      const runMs = nowMs - watched.sinceMs;
      const [task] = watched.tasks;
      const file = task?.file;
      const { isAbandoned } = watched;
      if (file === undefined || runMs <= this.#limitOf(task, isAbandoned)) continue;
      if (watched.wasHung) return isAbandoned ? { file, runMs, isAbandoned } : { file, runMs };
      watched.wasHung = true;
    }
    return undefined;
  }

  /** The threads whose first task is overdue and abandoned, with their tasks, at most so many. To be called from time to time. */
  abandoned(nowMs: number, most: number): AbandonedThread[] {
    const found: AbandonedThread[] = [];
    for (const [thread, watched] of this.#threads) {
      const { tasks, sinceMs } = watched;
      const [task] = tasks;
      if (task?.onOverdue === undefined || nowMs - sinceMs <= (task.overdueMs ?? Infinity)) continue;
      // The event loop may have stood still: the second look comes after the answers that wait.
      if (watched.isAbandoned || !watched.wasOverdue) watched.wasOverdue = true;
      else if (found.length < most && (watched.isAbandoned = task.onOverdue()))
        found.push({ thread, tasks: [...tasks] });
    }
    return found;
  }

  #limitOf(task: WatchedTask | undefined, isAbandoned: boolean): number {
    const limitMs = task?.runMs ?? this.#maxRunMs;
    return isAbandoned ? 2 * Math.min(limitMs, task?.file?.aloneMs ?? Infinity) + ABANDONED_MORE_MS : limitMs;
  }
}
