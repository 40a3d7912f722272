import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';

/** The threads that this process starts, so that a test can end one from outside. */
export class StartedThreads {
  readonly #live = new Set<Worker>();
  readonly #onStart = (message: unknown): void => {
    const { worker } = message as { worker: Worker };
    this.#live.add(worker);
    this.started += 1;
    worker.once('exit', () => this.#live.delete(worker));
    this.onStart?.(worker);
  };
  /** Threads started since this object was made. */
  started = 0;
  /** Told of each thread as it starts. */
  onStart: ((worker: Worker) => void) | undefined;

  constructor() {
    subscribe('worker_threads', this.#onStart);
  }

  get count(): number {
    return this.#live.size;
  }

  /** Ends every thread that lives now, whatever it does. */
  async endAll(): Promise<void> {
    await Promise.all([...this.#live].map((worker) => worker.terminate()));
  }

  close(): void {
    unsubscribe('worker_threads', this.#onStart);
  }
}
