import type { ModelFile } from './thread-protocol.ts';

/** A task that a thread has. */
export interface WatchedTask {
  /** The file that it runs or loads. Tasks without a file are not watched. */
  readonly file?: WatchedFile;
  /** The limit of this run, if it is not the instance's. */
  runMs?: number | undefined;
}

/** The version whose run is watched. */
export type WatchedFile = Pick<ModelFile, 'model' | 'version'>;

/** A run that does not end. */
export interface HungRun {
  readonly file: WatchedFile;
  /** How long it has run. */
  readonly runMs: number;
}

interface WatchedThread {
  /** In the order in which they were handed over. The first one runs. */
  readonly tasks: WatchedTask[];
  /** When the first one began, ms of `performance.now`. */
  sinceMs: number;
  /** The last check found it over its time. */
  wasOverdue: boolean;
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
    const watched = this.#threads.get(thread) ?? { tasks: [], sinceMs: nowMs, wasOverdue: false };
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
    if (at === 0) [watched.sinceMs, watched.wasOverdue] = [nowMs, false];
    if (watched.tasks.length === 0) this.#threads.delete(thread);
  }

  /** Returns a hung run, if there is one. To be called from time to time. */
  check(nowMs: number): HungRun | undefined {
    for (const watched of this.#threads.values()) {
      const runMs = nowMs - watched.sinceMs;
      const [task] = watched.tasks;
      const file = task?.file;
      if (file === undefined || runMs <= (task?.runMs ?? this.#maxRunMs)) continue;
      if (watched.wasOverdue) return { file, runMs };
      watched.wasOverdue = true;
    }
    return undefined;
  }
}
