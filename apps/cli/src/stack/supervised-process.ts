import { fork, type ChildProcess } from 'node:child_process';
import { extname } from 'node:path';
import { failure } from '../output/failure.ts';
import { BoundedLog } from './bounded-log.ts';
import { DeathCounter } from './death-counter.ts';

/** The message that a process of the stack sends when it is ready. */
export interface ReadyMessage {
  readonly type: 'ready';
  readonly url?: string;
  /** Host and port of gRPC. */
  readonly grpcUrl?: string;
  readonly metricsUrl: string;
}

export interface SupervisedOptions {
  readonly name: string;
  readonly modulePath: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The file for its output; it starts empty. Undefined: the output goes to this process's stderr. */
  readonly logPath: string | undefined;
  /** Called with a text when the process died and is started again. */
  readonly onEvent: (text: string) => void;
  /** Called when the process died too often and is not started again. */
  readonly onGaveUp: (error: Error) => void;
  /** Waits before the restarts, ms. The last one repeats. */
  readonly backoffMs?: readonly number[];
  readonly readyTimeoutMs?: number;
  readonly stopTimeoutMs?: number;
}

// This file's neighbour, as source or built.
const END_WITH_PARENT = new URL(`./end-with-parent${extname(import.meta.url)}`, import.meta.url).href;
const READY_MS = 60_000;
const STOP_MS = 40_000;
const BACKOFF_MS = [100, 250, 500, 1_000, 2_000] as const;

/**
 * One process of the local stack. It is started again when it dies.
 *
 * States: *starting* → *ready* (it sent its ready message) → *down* (it died) → *starting* after a backoff → …. *Given
 * up* after more than 8 deaths within a minute. From any state `stop` leads to *stopping* (SIGTERM, SIGKILL after 40 s)
 * and then to *stopped*, which is final. When this process dies, the child notices it by the IPC channel and ends
 * (`end-with-parent.ts`).
 */
export class SupervisedProcess {
  readonly #options: SupervisedOptions;
  readonly #log: NodeJS.WritableStream;
  readonly #deaths = new DeathCounter();
  #child: ChildProcess | undefined;
  #stopping = false;
  #stopped: Promise<void> | undefined;
  #restart: NodeJS.Timeout | undefined;

  constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#log = options.logPath === undefined ? process.stderr : new BoundedLog(options.logPath);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process. Returns its ready message. @throws SconceError `internal` if it ends before, or is not ready in time. */
  async start(): Promise<ReadyMessage> {
    const { name, modulePath, env, readyTimeoutMs = READY_MS } = this.#options;
    // Its own process group: Ctrl-C reaches only this process, which then stops its children in order.
    const child = fork(modulePath, {
      env: { ...env },
      execArgv: [...process.execArgv, '--import', END_WITH_PARENT],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    this.#child = child;
    child.stdout?.pipe(this.#log, { end: false });
    child.stderr?.pipe(this.#log, { end: false });
    const { promise, resolve, reject } = Promise.withResolvers<ReadyMessage>();
    let isReady = false;
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(failure('internal', `The ${name} ${why}.`, { hint: this.#logHint() }));
    };
    const timer = setTimeout(() => {
      fail(`was not ready within ${readyTimeoutMs / 1_000} s`);
      child.kill('SIGKILL');
    }, readyTimeoutMs);
    child.once('message', (message) => {
      isReady = true;
      clearTimeout(timer);
      resolve(message as ReadyMessage);
    });
    // If no process could be started there is no exit event.
    child.on('error', (error) => {
      if (child.pid === undefined) fail(`cannot be started: ${error.message}`);
    });
    child.once('exit', (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      if (isReady) this.#onDeath(`ended (${how})`);
      else fail(`ended (${how}) before it was ready`);
    });
    return promise;
  }

  /** Drains the process: SIGTERM, and SIGKILL if it takes too long. Resolves when it has ended. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  /** Kills the process at once and does not wait for its end. */
  kill(): void {
    this.#stopping = true;
    clearTimeout(this.#restart);
    this.#child?.kill('SIGKILL');
  }

  async #stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      // `close` comes after `exit`, when all its output is in the log.
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), this.#options.stopTimeoutMs ?? STOP_MS);
      await ended;
      clearTimeout(timer);
    }
    if (this.#log instanceof BoundedLog) this.#log.end();
  }

  #onDeath(what: string): void {
    if (this.#stopping) return;
    const { name, onEvent, onGaveUp, backoffMs = BACKOFF_MS } = this.#options;
    const { deaths, tooMany } = this.#deaths.add();
    if (tooMany) {
      onGaveUp(
        failure('internal', `The ${name} ${what} again, ${deaths} times in a minute.`, { hint: this.#logHint() }),
      );
      return;
    }
    onEvent(`the ${name} ${what}; it is started again`);
    this.#restart = setTimeout(
      () => {
        this.start().catch((error: unknown) => {
          this.#onDeath(`did not start (${(error as Error).message})`);
        });
      },
      backoffMs[Math.min(deaths, backoffMs.length) - 1],
    );
  }

  #logHint(): string {
    const { logPath } = this.#options;
    return logPath === undefined ? 'Its output is above.' : `Its log is ${logPath}.`;
  }
}
