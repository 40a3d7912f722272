import { fork, type ChildProcess } from 'node:child_process';
import { setPriority, tmpdir } from 'node:os';
import { deserializeError } from '@sconce/errors';
import { PROCESS_ENVIRONMENT } from '../process-environment.ts';
import { cpuTimeOf, ownMemoryOf } from './process-usage.ts';
import type { FromSacrificial, SacrificialOptions, SacrificialRun, ToSacrificial } from './sacrificial-protocol.ts';

/** How often the memory of a run is read, ms. A page fault takes long enough: little is taken between two looks. */
const WATCH_INTERVAL_MS = 10;
/** A run that takes longer gets less of the processors: serving other requests comes first. */
const LOWER_PRIORITY_AFTER_MS = 300;
const NICENESS = 10;
/** Characters of the process's stderr that are kept, from its end. */
const MAX_STDERR = 1_000;

/** What a run may take. */
export interface RunLimits {
  readonly runMs: number;
  /** CPU time that the run may take, ms. A busy machine does not count against it. */
  readonly cpuMs?: number | undefined;
  readonly loadMs: number;
  /** Memory that the run may take besides what the process had when the model was loaded, bytes. */
  readonly memoryBytes: number;
  /** Memory that loading the model may take, bytes. */
  readonly loadMemoryBytes: number;
}

/** How a process ended that had a run: by a limit of ours, or by itself. */
export type RunDeath =
  | { readonly kind: 'time' | 'cpu'; readonly takenMs: number }
  | { readonly kind: 'memory'; readonly takenBytes: number }
  /** A signal such as `SIGABRT`, or `exit code N`, and the last line that it wrote. */
  | { readonly kind: 'crash'; readonly how: string; readonly lastLine: string };

/** Thrown when the process ended before it answered. */
export class RunDied extends Error {
  override readonly name = 'RunDied';
  readonly death: RunDeath;
  /** Whether it was still loading the model. */
  readonly loading: boolean;

  constructor(death: RunDeath, loading: boolean) {
    super(`the sacrificial process ended: ${death.kind}`);
    this.death = death;
    this.loading = loading;
  }
}

/** What a run gave. */
export type SacrificialResult = Extract<FromSacrificial, { kind: 'done' }>;

interface Watched {
  readonly limits: RunLimits;
  readonly resolve: (result: SacrificialResult) => void;
  readonly reject: (error: Error) => void;
  /** ms of `performance.now` at which loading or the run began. */
  sinceMs: number;
  baseBytes: number;
  /** CPU time of the process when the run began, ms. */
  baseCpuMs: number;
  isLoading: boolean;
  isLowered: boolean;
}

/**
 * One sacrificial process. It makes one run at a time, and this side ends it when the run takes more time or memory than it may.
 *
 * States: *idle* → `run` → *loading* → *running* → *idle* or *ended*. The end is final: another process replaces it.
 */
export class SacrificialProcess {
  readonly #child: ChildProcess;
  #run: Watched | undefined;
  #watch: NodeJS.Timeout | undefined;
  #death: RunDeath | undefined;
  #stderr = '';
  /** Own memory when the latest model was loaded. */
  #baseBytes = 0;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  readonly #ready = Promise.withResolvers<void>();
  #hasEnded = false;
  #isKilled = false;

  constructor(options: SacrificialOptions, childModule?: URL) {
    const fromSource = import.meta.url.endsWith('.ts');
    const own = new URL(`./sacrificial.child.${fromSource ? 'ts' : 'js'}`, import.meta.url);
    this.#child = fork(childModule ?? own, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
      // The system may write the memory of a process that crashes to its folder.
      cwd: tmpdir(),
      // Not the worker's environment: native code that went wrong must not find secrets in it.
      env: { ...PROCESS_ENVIRONMENT },
      execArgv: fromSource ? ['--conditions=@sconce/source', '--no-warnings'] : ['--no-warnings'],
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    const onEnd = (how: string): void => {
      this.#hasEnded = true;
      this.#ready.resolve();
      this.#onEnd(how);
      resolve();
    };
    this.#child.stderr
      ?.setEncoding('utf8')
      .on('data', (text: string) => (this.#stderr = (this.#stderr + text).slice(-MAX_STDERR)));
    this.#child.on('message', (message) => this.#onMessage(message as FromSacrificial));
    // An error of `send` is followed by the process's end. Only a process that could not be started has no exit.
    this.#child.on('error', (error) => {
      if (this.#child.pid === undefined) onEnd(`it could not be started: ${error.message}`);
    });
    this.#child.once('close', (code, signal) => onEnd(signal ?? `exit code ${code}`));
    this.#send(options);
  }

  /** Whether it can make another run. */
  get isUsable(): boolean {
    return !this.#hasEnded && !this.#isKilled;
  }

  /** Memory that earlier runs left in it, bytes. */
  get leftBytes(): number {
    return this.#ownMemory() - this.#baseBytes;
  }

  /** Makes a run. @throws RunDied if the process ended; SconceError that the runtime gave for the run or for loading. */
  async run(run: SacrificialRun, limits: RunLimits): Promise<SacrificialResult> {
    // The time to start does not count for the limits.
    await this.#ready.promise;
    return new Promise((resolve, reject) => {
      const baseBytes = this.#ownMemory();
      this.#run = {
        limits,
        resolve,
        reject,
        sinceMs: performance.now(),
        baseBytes,
        baseCpuMs: 0,
        isLoading: true,
        isLowered: false,
      };
      this.#watch = setInterval(() => this.#check(), WATCH_INTERVAL_MS);
      if (this.#hasEnded) this.#onEnd('it had ended before');
      else this.#send(run);
    });
  }

  /** Ends the process. */
  kill(): void {
    this.#isKilled = true;
    this.#child.kill('SIGKILL');
  }

  #onMessage(message: FromSacrificial): void {
    if (message.kind === 'ready') this.#ready.resolve();
    const run = this.#run;
    if (run === undefined) return;
    switch (message.kind) {
      case 'ready':
        return;
      case 'loaded':
        // What an earlier run left in the process's memory is free for this run.
        if (message.loadMs > 0 || this.#baseBytes === 0) this.#baseBytes = this.#ownMemory();
        run.baseBytes = this.#baseBytes;
        run.isLoading = false;
        run.sinceMs = performance.now();
        run.baseCpuMs = this.#cpuMs(run);
        this.#send({ kind: 'go' });
        return;
      case 'done':
        this.#settle();
        run.resolve(message);
        return;
      case 'failed':
        this.#settle();
        run.reject(deserializeError(message.error));
    }
  }

  #check(): void {
    const run = this.#run;
    if (run === undefined || this.#death !== undefined) return;
    const takenMs = performance.now() - run.sinceMs;
    if (takenMs > (run.isLoading ? run.limits.loadMs : run.limits.runMs))
      return this.#end({ kind: 'time', takenMs: Math.round(takenMs) });
    const cpuMs = run.isLoading ? 0 : this.#cpuMs(run) - run.baseCpuMs;
    if (cpuMs > (run.limits.cpuMs ?? Infinity)) return this.#end({ kind: 'cpu', takenMs: Math.round(cpuMs) });
    if (takenMs > LOWER_PRIORITY_AFTER_MS && !run.isLowered) {
      run.isLowered = true;
      this.#prioritise(NICENESS);
    }
    const takenBytes = this.#ownMemory() - run.baseBytes;
    const most = run.isLoading ? run.limits.loadMemoryBytes : run.limits.memoryBytes;
    if (takenBytes > most) this.#end({ kind: 'memory', takenBytes });
  }

  #end(death: RunDeath): void {
    this.#death = death;
    this.kill();
  }

  #onEnd(how: string): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#settle();
    const lastLine = this.#stderr.trim().split('\n').at(-1)?.trim() ?? '';
    run.reject(new RunDied(this.#death ?? { kind: 'crash', how, lastLine }, run.isLoading));
  }

  #settle(): void {
    clearInterval(this.#watch);
    if (this.#run?.isLowered === true) this.#prioritise(0);
    this.#run = undefined;
  }

  /** Raising a priority again may not be allowed. The process then ends sooner or later, and the next one has the normal priority. */
  #prioritise(niceness: number): void {
    if (this.#child.pid === undefined || this.#hasEnded) return;
    try {
      setPriority(this.#child.pid, niceness);
    } catch {
      if (niceness === 0) this.kill();
    }
  }

  /** CPU time of the process; on systems that do not tell it, the time of the run. */
  #cpuMs({ limits, sinceMs }: Watched): number {
    if (limits.cpuMs === undefined || this.#child.pid === undefined) return 0;
    return cpuTimeOf(this.#child.pid) ?? performance.now() - sinceMs;
  }

  #ownMemory(): number {
    return this.#child.pid === undefined ? 0 : ownMemoryOf(this.#child.pid);
  }

  #send(message: ToSacrificial): void {
    if (!this.#child.connected) return;
    this.#child.send(message, () => undefined);
  }
}
