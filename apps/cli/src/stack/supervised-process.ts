import { fork, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { failure } from '../output/failure.ts';

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
  /** Its output goes to this file, which is begun anew. */
  readonly logPath: string;
  /** Told of unexpected deaths and restarts. */
  readonly onEvent: (text: string) => void;
  /** It could not be kept up. */
  readonly onGaveUp: (error: Error) => void;
}

const READY_MS = 60_000;
const STOP_MS = 40_000;
const MAX_DEATHS = 8;
const DEATHS_WINDOW_MS = 60_000;
const BACKOFF_MS = [100, 250, 500, 1_000, 2_000] as const;

/**
 * One process of the local stack, kept up.
 *
 * States: *starting* → *up* (its ready message) → *down* (it ended unasked) → *starting* after a backoff → …; *given up*
 * after 8 deaths within a minute; *stopping* (`stop`: SIGTERM, SIGKILL after 40 s) → *stopped*. The IPC channel ties it
 * to this process: when this one dies, it drains and ends.
 */
export class SupervisedProcess {
  readonly #options: SupervisedOptions;
  readonly #log: NodeJS.WritableStream;
  readonly #deaths: number[] = [];
  #child: ChildProcess | undefined;
  #stopping = false;
  #restart: NodeJS.Timeout | undefined;

  constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#log = createWriteStream(options.logPath, { flags: 'w', mode: 0o600 });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts it; answers its ready message. Throws when it ends before. */
  async start(): Promise<ReadyMessage> {
    const { name, modulePath, env, logPath } = this.#options;
    const child = fork(modulePath, { env: { ...env }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true });
    this.#child = child;
    child.stdout?.pipe(this.#log, { end: false });
    child.stderr?.pipe(this.#log, { end: false });
    return new Promise((resolve, reject) => {
      let up = false;
      const give = (why: string): void => {
        reject(failure('internal', `The ${name} ${why}.`, `Its log is ${logPath}.`));
      };
      const timer = setTimeout(() => {
        give(`was not up within ${READY_MS / 1_000} s`);
      }, READY_MS);
      child.once('message', (message) => {
        up = true;
        clearTimeout(timer);
        resolve(message as ReadyMessage);
      });
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        if (up) this.#onDeath(code, signal);
        else give(`ended with ${signal ?? `exit code ${code}`} before it was up`);
      });
    });
  }

  /** Drains it. Resolves when it has ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(timer);
    }
    this.#log.end();
  }

  /** Ends it at once: nobody waits any more. */
  kill(): void {
    this.#stopping = true;
    this.#child?.kill('SIGKILL');
  }

  #onDeath(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#stopping) return;
    const { name, logPath, onEvent, onGaveUp } = this.#options;
    const now = Date.now();
    this.#deaths.push(now);
    const recent = this.#deaths.filter((at) => now - at < DEATHS_WINDOW_MS).length;
    const how = signal ?? `exit code ${code}`;
    if (recent > MAX_DEATHS) {
      onGaveUp(failure('internal', `The ${name} keeps ending (${how}).`, `Its log is ${logPath}.`));
      return;
    }
    const waitMs = BACKOFF_MS[Math.min(recent - 1, BACKOFF_MS.length - 1)];
    onEvent(`the ${name} ended (${how}); it is started again`);
    this.#restart = setTimeout(() => {
      this.start().catch((error: unknown) => {
        if (!this.#stopping) this.#onDeath(null, null);
        onEvent((error as Error).message);
      });
    }, waitMs);
  }
}
