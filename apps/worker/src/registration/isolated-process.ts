import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { SconceError, deserializeError, toSconceError } from '@sconce/errors';
import { PROCESS_ENVIRONMENT } from '@sconce/runtime/process-environment';
import type { RegistrationMessage, RegistrationTask } from './registration-task.ts';

/** What a registration process may take. */
export interface IsolationLimits {
  /** Memory of its own, files mapped into it not counted. */
  readonly memoryBytes: number;
  readonly timeoutMs: number;
}

/** How a task is run. */
export interface IsolationOptions {
  readonly limits: IsolationLimits;
  /** Ends the process; the run then fails with `shutting_down`. */
  readonly signal: AbortSignal;
  /** Told of every message but `failed`, one after the other. What it throws ends the process. */
  readonly onMessage: (message: Exclude<RegistrationMessage, { kind: 'failed' }>) => Promise<void>;
  /** What runs in the process: `registration.child` unless said. */
  readonly childModule?: URL;
}

/** Serving comes first: the process gets what the threads leave. */
const NICENESS = 19;
const WATCH_INTERVAL_MS = 50;
/** The last lines that a dying process writes. */
const MAX_STDERR = 2_000;

/**
 * Runs a registration task in a process of its own, bounded in memory and time: what a model does to it stays in there.
 * @throws SconceError what the task failed with; `model_invalid` where it crashed or outgrew a limit, with which.
 */
export async function runIsolated(task: RegistrationTask, options: IsolationOptions): Promise<void> {
  const { limits, signal, onMessage } = options;
  // Between two tasks of one registration too: what is thrown then decides whether another worker goes on.
  if (signal.aborted) throw shuttingDown();
  const fromSource = import.meta.url.endsWith('.ts');
  const own = new URL(`./registration.child.${fromSource ? 'ts' : 'js'}`, import.meta.url);
  const child = fork(options.childModule ?? own, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
    // None of ours: it needs nothing of it, and is not to know its secrets.
    env: { ...PROCESS_ENVIRONMENT },
    execArgv: fromSource ? ['--conditions=@sconce/source', '--no-warnings'] : ['--no-warnings'],
  });
  let reason: SconceError | undefined;
  const end = (error: SconceError): void => {
    reason ??= error;
    child.kill('SIGKILL');
  };
  let stage: string = task.kind === 'register' ? 'compiling' : 'optimising';
  let handled = Promise.resolve();
  let isDone = false;
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-MAX_STDERR)));
  child.on('message', (message) => {
    const said = message as RegistrationMessage;
    if (said.kind === 'failed') reason ??= deserializeError(said.error);
    else {
      isDone = said.kind === (task.kind === 'register' ? 'proved' : 'optimised');
      stage = STAGE_AFTER[said.kind];
      handled = handled.then(() => onMessage(said));
      handled.catch((error: unknown) => end(toSconceError(error)));
    }
  });
  const watch = setInterval(() => {
    if (child.pid === undefined || ownMemory(child.pid) <= limits.memoryBytes) return;
    end(tooMuch(`took more than ${mebibytes(limits.memoryBytes)} MiB of memory while ${stage} it`));
  }, WATCH_INTERVAL_MS);
  const timer = setTimeout(() => {
    end(tooMuch(`took more than ${limits.timeoutMs / 1000} s; it was ${stage}`));
  }, limits.timeoutMs);
  const onAbort = (): void => end(shuttingDown());
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const ended = exitOf(child);
    child.send(task);
    if (child.pid !== undefined) lowerPriority(child.pid);
    const how = await ended;
    // What is still to be done with its messages is no business of the process and its limits.
    clearInterval(watch);
    clearTimeout(timer);
    await handled.catch(() => undefined);
    if (reason !== undefined) throw reason;
    if (!isDone) throw tooMuch(`ended the process that was ${stage} it (${how})${lastWords(stderr)}`);
    await handled;
  } finally {
    clearInterval(watch);
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    child.kill('SIGKILL');
  }
}

const STAGE_AFTER = { compiled: 'proving', proved: 'proving', optimised: 'optimising' } as const;

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    // Every one: a process that could not be started cannot be told its task either, and an error nobody hears ends the worker.
    child.on('error', (cause) => {
      // It could not be started, or not be told its task; in the latter case it exits.
      if (child.pid === undefined)
        reject(new SconceError('internal', 'no process for the registration could be started', { cause }));
    });
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
}

/** Memory that no file is behind. Where the system does not tell, nothing is known. */
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
    // It has ended already, or may not be told: only a courtesy to the others.
  }
}

function shuttingDown(): SconceError {
  return new SconceError('shutting_down', 'This worker is shutting down; another one registers the model.');
}

function tooMuch(what: string): SconceError {
  return new SconceError('model_invalid', `registering the model ${what}: it cannot be served safely`);
}

const mebibytes = (bytes: number): number => Math.round(bytes / 1024 ** 2);

function lastWords(stderr: string): string {
  const line = stderr.trim().split('\n').at(-1)?.trim() ?? '';
  return line === '' ? '' : `: ${line.slice(0, 300)}`;
}
