import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Recorder } from '../recorder.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
/** As an orchestrator does it: a process that ended by itself is started again after this pause. */
const RESTART_MS = 500;
const READY_MS = 60_000;

export interface ManagedProcessOptions {
  readonly name: string;
  readonly app: 'api' | 'worker';
  readonly env: Readonly<Record<string, string>>;
  readonly recorder: Recorder;
  /** Where stdout and stderr of all its lives go. */
  readonly logFile: string;
}

/**
 * A process of the product that is started again whenever it ends, unless a fault holds it.
 *
 * States: down → (start) → starting → ready → (exit) → down. While it is held, nothing starts it but `release`.
 */
export class ManagedProcess {
  readonly name: string;
  readonly #options: ManagedProcessOptions;
  #env: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #held = false;
  #url: string | undefined;

  constructor(options: ManagedProcessOptions) {
    this.name = options.name;
    this.#options = options;
    this.#env = options.env;
  }

  /** Id of the running process. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Where the API listens. */
  get url(): string {
    if (this.#url === undefined) throw new Error(`${this.name} has no address`);
    return this.#url;
  }

  /** Starts it and waits until it is ready. @throws Error if it ends before that. */
  async start(): Promise<void> {
    const { app, name, recorder, logFile } = this.#options;
    const log = openSync(logFile, 'a');
    const child = fork(join(ROOT, `apps/${app}/dist/main.js`), {
      env: { PATH: process.env['PATH'], ...this.#env },
      stdio: ['ignore', log, log, 'ipc'],
      execArgv: [],
    });
    closeSync(log);
    this.#child = child;
    const pid = child.pid ?? 0;
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        recorder.add({ type: 'process', process: name, pid, phase: 'exit', code, signal });
        if (this.#child === child) this.#child = undefined;
        resolve();
        if (!this.#held) setTimeout(() => void this.#startAgain(), RESTART_MS);
      });
    });
    const url = await readyMessage(child, name);
    if (url !== undefined) {
      this.#url = url;
      this.#env = { ...this.#env, SCONCE_PORT: new URL(url).port };
    }
    recorder.add({ type: 'process', process: name, pid, phase: 'ready' });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Ends it with a signal and keeps it down until `release`. Resolves when it has ended. */
  async hold(signal: NodeJS.Signals): Promise<void> {
    this.#held = true;
    this.signal(signal);
    await this.#exited;
  }

  /** Starts it after `hold`. */
  async release(): Promise<void> {
    this.#held = false;
    if (this.#child === undefined) await this.start();
  }

  async #startAgain(): Promise<void> {
    if (this.#held || this.#child !== undefined) return;
    // A start that fails ends the process, and the exit is in the history.
    await this.start().catch(() => undefined);
  }
}

/** The address in the message that a process sends when it is ready; a worker has none. */
function readyMessage(child: ChildProcess, name: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${name} was not ready within ${READY_MS} ms`)), READY_MS);
    child.once('message', (message) => {
      clearTimeout(timer);
      resolve((message as { url?: string }).url);
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`${name} ended with ${signal ?? code} before it was ready`));
    });
  });
}
