import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { SconceError, deserializeError, toSconceError } from '@sconce/errors';
import { PROCESS_ENVIRONMENT } from '@sconce/runtime/process-environment';
import type { RegistrationMessage, RegistrationTask } from './registration-task.ts';

/** The limits of a registration process. */
export interface IsolationLimits {
  /** Most private memory, bytes. Files that are mapped into the process do not count. */
  readonly memoryBytes: number;
  readonly timeoutMs: number;
}

/** Options of a run. */
export interface IsolationOptions {
  readonly limits: IsolationLimits;
  /** Ends the process; the run then fails with `shutting_down`. */
  readonly signal: AbortSignal;
  /** Called with every message except `failed`, one after the other. If it throws, the process is ended. */
  readonly onMessage: (message: Exclude<RegistrationMessage, { kind: 'failed' }>) => Promise<void>;
  /** The module of the process. Default: `registration.child`. */
  readonly childModule?: URL;
}

/** The lowest priority: serving requests comes first. */
const NICENESS = 19;
const WATCH_INTERVAL_MS = 50;
/** Time for what a process does after its task. */
const EXTRA_MS = 10_000;
/** Characters of the process's stderr that are kept, from its end. */
const MAX_STDERR = 2_000;

/**
 * Runs a registration task in a process of its own, bounded in memory and time: a crash of a model does not affect the worker.
 * @throws SconceError the error of the task; `model_invalid` if the process crashed or exceeded a limit, with the reason.
 */
export async function runIsolated(task: RegistrationTask, options: IsolationOptions): Promise<void> {
  const { limits, signal, onMessage } = options;
  // Also checked between two tasks of one registration: with this error another worker registers the model.
  if (signal.aborted) throw shuttingDown();
  const fromSource = import.meta.url.endsWith('.ts');
  const own = new URL(`./registration.child.${fromSource ? 'ts' : 'js'}`, import.meta.url);
  const child = fork(options.childModule ?? own, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
    // Not the worker's environment: the process does not need it, and must not see its secrets.
    // What a run has freed goes back to the system at once, so that the memory of the next run can be seen.
    env: { ...PROCESS_ENVIRONMENT, MALLOC_TRIM_THRESHOLD_: '131072' },
    execArgv: fromSource ? ['--conditions=@sconce/source', '--no-warnings'] : ['--no-warnings'],
  });
  let reason: SconceError | undefined;
  const end = (error: SconceError): void => {
    // What follows the result of `optimise` may be ended at any time.
    if (!isDone || task.kind === 'register') reason ??= error;
    child.kill('SIGKILL');
  };
  let stage: string = task.kind === 'register' ? 'compiling' : 'optimising';
  let handled = Promise.resolve();
  let isDone = false;
  let extra: NodeJS.Timeout | undefined;
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-MAX_STDERR)));
  child.on('message', (message) => {
    const received = message as RegistrationMessage;
    if (received.kind === 'failed') reason ??= deserializeError(received.error);
    else {
      if (received.kind === (task.kind === 'register' ? 'proved' : 'optimised')) {
        isDone = true;
        extra ??= setTimeout(() => child.kill('SIGKILL'), EXTRA_MS);
      }
      stage = STAGE_AFTER[received.kind];
      handled = handled.then(() => onMessage(received));
      handled.catch((error: unknown) => {
        reason ??= toSconceError(error);
        child.kill('SIGKILL');
      });
    }
  });
  const watch = setInterval(() => {
    if (child.pid === undefined || ownMemory(child.pid) <= limits.memoryBytes) return;
    end(modelFailure(`took more than ${mebibytes(limits.memoryBytes)} MiB of memory while ${stage} it`));
  }, WATCH_INTERVAL_MS);
  const timer = setTimeout(() => {
    end(modelFailure(`took more than ${limits.timeoutMs / 1000} s; it was ${stage}`));
  }, limits.timeoutMs);
  const onAbort = (): void => end(shuttingDown());
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const ended = exitOf(child);
    child.send(task);
    if (child.pid !== undefined) lowerPriority(child.pid);
    const how = await ended;
    // The limits are for the process. Handling its messages may take longer.
    clearInterval(watch);
    clearTimeout(timer);
    clearTimeout(extra);
    await handled.catch(() => undefined);
    if (reason !== undefined) throw reason;
    if (!isDone) throw modelFailure(`ended the process that was ${stage} it (${how})${lastLineOf(stderr)}`);
    await handled;
  } finally {
    clearInterval(watch);
    clearTimeout(timer);
    clearTimeout(extra);
    signal.removeEventListener('abort', onAbort);
    child.kill('SIGKILL');
  }
}

const STAGE_AFTER = {
  compiled: 'proving',
  proved: 'proving',
  optimised: 'measuring',
  run_measured: 'measuring',
} as const;

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    // Not `once`: a process that could not start cannot be sent its task either, and an error without a listener ends the worker.
    child.on('error', (cause) => {
      // The process could not start, or it could not be sent its task. In the second case it exits.
      if (child.pid === undefined)
        reject(new SconceError('internal', 'the process for the registration could not be started', { cause }));
    });
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
}

/** Memory that is not mapped from files. 0 if the system does not report it. */
function ownMemory(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
    return (kib('RssAnon') + kib('RssShmem') + kib('VmSwap')) * 1024;
  } catch {
    return 0;
  }
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, NICENESS);
  } catch {
    // The process has ended, or its priority may not be changed. It then runs with normal priority.
  }
}

function shuttingDown(): SconceError {
  return new SconceError('shutting_down', 'This worker is shutting down; another worker registers the model.');
}

function modelFailure(what: string): SconceError {
  return new SconceError('model_invalid', `registering the model ${what}: it cannot be served safely`);
}

const mebibytes = (bytes: number): number => Math.round(bytes / 1024 ** 2);

function lastLineOf(stderr: string): string {
  const line = stderr.trim().split('\n').at(-1)?.trim() ?? '';
  return line === '' ? '' : `: ${line.slice(0, 300)}`;
}
