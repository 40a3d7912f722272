import { fork, type ChildProcess } from 'node:child_process';
import { extname } from 'node:path';
import { failure } from '../output/failure.ts';
import { BoundedLog } from './bounded-log.ts';

/** What a process of the stack sends when it is up. */
export interface ReadyMessage {
  readonly type: 'ready';
  readonly url?: string;
  readonly metricsUrl: string;
}

export interface SupervisedOptions {
  readonly name: string;
  readonly modulePath: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Its output goes to this file, which is begun anew; without one, to our stderr. */
  readonly logPath: string | undefined;
  /** Told of unexpected deaths and restarts. */
  readonly onEvent: (text: string) => void;
  /** It could not be kept up. */
  readonly onGaveUp: (error: Error) => void;
  /** Waits between restarts, ms; the last one from then on. */
  readonly backoffMs?: readonly number[];
  readonly readyTimeoutMs?: number;
  readonly stopTimeoutMs?: number;
}

// Beside this file, as source or built.
const END_WITH_PARENT = new URL(`./end-with-parent${extname(import.meta.url)}`, import.meta.url).href;
const READY_MS = 60_000;
const STOP_MS = 40_000;
const MAX_DEATHS = 8;
const DEATHS_WINDOW_MS = 60_000;
const BACKOFF_MS = [100, 250, 500, 1_000, 2_000] as const;

/**
 * One process of the local stack, kept up.
 *
 * States: *starting* → *up* (its ready message) → *down* (it ended unasked) → *starting* after a backoff → …; *given up*
 * after more than 8 deaths within a minute; *stopping* (`stop`: SIGTERM, SIGKILL after 40 s) → *stopped*, from any of
 * them and for good. The IPC channel ties it to this process: when this one dies, it drains and ends (`end-with-parent.ts` sees to it).
 */
export class SupervisedProcess {
  readonly #options: SupervisedOptions;
  readonly #log: NodeJS.WritableStream;
  #deaths: readonly number[] = [];
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

  /** Starts it; answers its ready message. Throws when it ends before, or is not up in time. */
  async start(): Promise<ReadyMessage> {
    const { name, modulePath, env, readyTimeoutMs = READY_MS } = this.#options;
    // Its own group: a Ctrl-C reaches this process alone, which then stops its parts in order.
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
    let up = false;
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(failure('internal', `The ${name} ${why}.`, this.#whereToLook()));
    };
    const timer = setTimeout(() => {
      fail(`was not up within ${readyTimeoutMs / 1_000} s`);
      child.kill('SIGKILL');
    }, readyTimeoutMs);
    child.once('message', (message) => {
      up = true;
      clearTimeout(timer);
      resolve(message as ReadyMessage);
    });
    // Without a process there is no exit event.
    child.on('error', (error) => {
      if (child.pid === undefined) fail(`can't be started: ${error.message}`);
    });
    child.once('exit', (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      if (up) this.#onDeath(`ended (${how})`);
      else fail(`ended (${how}) before it was up`);
    });
    return promise;
  }

  /** Drains it: SIGTERM, SIGKILL when that takes too long. Resolves when it has ended. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  /** Ends it at once: nobody waits any more. */
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
      // `close` rather than `exit`: its last words are in the log.
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
    const now = Date.now();
    this.#deaths = [...this.#deaths.filter((at) => now - at < DEATHS_WINDOW_MS), now];
    const recent = this.#deaths.length;
    if (recent > MAX_DEATHS) {
      onGaveUp(failure('internal', `The ${name} ${what} again, ${recent} times in a minute.`, this.#whereToLook()));
      return;
    }
    onEvent(`the ${name} ${what}; it is started again`);
    this.#restart = setTimeout(
      () => {
        this.start().catch((error: unknown) => {
          this.#onDeath(`did not come up (${(error as Error).message})`);
        });
      },
      backoffMs[Math.min(recent, backoffMs.length) - 1],
    );
  }

  #whereToLook(): string {
    const { logPath } = this.#options;
    return logPath === undefined ? 'What it said is above.' : `Its log is ${logPath}.`;
  }
}
