import { fork, type ChildProcess } from 'node:child_process';

/** The message of an API process that is ready. */
export interface ReadyMessage {
  readonly url: string;
  readonly metricsUrl: string;
}

export interface ApiProcessOptions {
  /** The program: the module of this process. */
  readonly modulePath: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** How long a process may take until it is ready, ms. */
  readonly readyTimeoutMs: number;
}

/** One API process. States: *starting* → *ready* → *ended*; the next start is another object. */
export class ApiProcess {
  /** Resolves when the process is ready. Rejects if it ends before, or is not ready in time. */
  readonly ready: Promise<ReadyMessage>;
  /** Resolves when the process has ended: with its exit code or the signal that ended it. */
  readonly ended: Promise<number | string>;
  readonly #child: ChildProcess;
  #metricsUrl: string | undefined;

  constructor({ modulePath, args, env, readyTimeoutMs }: ApiProcessOptions) {
    const child = fork(modulePath, [...args], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#metricsUrl = undefined;
        resolve(signal ?? code ?? 1);
      });
      // If no process could be started there is no exit event.
      child.once('error', (error) => {
        if (child.pid === undefined) resolve(error.message);
      });
    });
    const { promise, resolve, reject } = Promise.withResolvers<ReadyMessage>();
    const timer = setTimeout(() => {
      reject(new Error(`it was not ready within ${readyTimeoutMs / 1_000} s`));
      this.kill();
    }, readyTimeoutMs);
    child.once('message', (message) => {
      clearTimeout(timer);
      const ready = message as ReadyMessage;
      this.#metricsUrl = ready.metricsUrl;
      resolve(ready);
    });
    void this.ended.then((how) => {
      clearTimeout(timer);
      reject(new Error(`it ended (${how}) before it was ready`));
    });
    // The rejection may come before anybody awaits it.
    promise.catch(() => undefined);
    this.ready = promise;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Address of its metrics port; undefined if it is not ready or has ended. */
  get metricsUrl(): string | undefined {
    return this.#metricsUrl;
  }

  /** Asks the process to drain and end. */
  stop(): void {
    this.#child.kill('SIGTERM');
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
