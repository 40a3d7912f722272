import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SconceError } from '@sconce/errors';
import { probeRedis } from './probe-redis.ts';

/** One running server process. */
export interface RedisProcess {
  readonly pid: number;
  readonly running: boolean;
  /** Sends a signal. Does nothing after the process has ended. */
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL after `graceMs`; resolves when the process has ended. */
  stop(graceMs: number): Promise<void>;
}

/** What to spawn and how long to wait for it. */
export interface SpawnRedisOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly port: number;
  /** A folder to delete if this Node process ends without stopping the server. If absent, nothing is deleted. */
  readonly ownDir?: string | undefined;
  readonly startTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Returned when the server could not bind its port. The caller inside this library picks another port. */
export const PORT_TAKEN = Symbol('port taken');

const MAX_LOG_CHARS = 8 * 1024;
const LOG_TAIL_LINES = 15;
const PROBE_INTERVAL_MS = 4;
const KILL_AFTER_ABORTED_START_MS = 1_000;

/**
 * A shell that outlives this process. Its stdin is a pipe from this process, so `read` returns when this process ends in any way
 * (SIGKILL included). It then ends the server and deletes the server's folder if the folder is temporary.
 */
const WATCHER = `read -r _
kill -TERM "$1" 2>/dev/null
n=0
while [ $n -lt 50 ] && kill -0 "$1" 2>/dev/null; do n=$((n+1)); sleep 0.1; done
kill -KILL "$1" 2>/dev/null
[ -z "$2" ] || rm -rf -- "$2"`;

const live = new Map<ChildProcess, string | undefined>();

/**
 * Spawns a server and waits until it answers PING. Returns PORT_TAKEN if the port was not free.
 * @throws SconceError `redis_unavailable` with the end of the server's log.
 */
export async function spawnRedis(options: SpawnRedisOptions): Promise<RedisProcess | typeof PORT_TAKEN> {
  // Its own process group: Ctrl-C in the terminal must reach this process first, so that work drains before Redis ends.
  const child = spawn(options.program, [...options.args], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  let log = '';
  const keep = (text: string): void => {
    log = (log + text).slice(-MAX_LOG_CHARS);
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  child.on('error', (error) => keep(`${error.message}\n`));
  const pid = child.pid;
  const running = (): boolean => pid !== undefined && child.exitCode === null && child.signalCode === null;
  const stop = async (graceMs: number): Promise<void> => {
    if (running()) {
      child.kill('SIGTERM');
      const bound = new AbortController();
      await Promise.race([exited, delay(graceMs, undefined, { signal: bound.signal }).catch(() => undefined)]);
      bound.abort();
      if (running()) child.kill('SIGKILL');
    }
    await exited;
  };
  if (pid !== undefined) watch(child, pid, exited, options.ownDir);

  const deadline = performance.now() + options.startTimeoutMs;
  while (pid !== undefined && running()) {
    const probe = await probeRedis({ port: options.port, pid, timeoutMs: 1_000 });
    if (probe === 'ready' && running()) {
      return {
        pid,
        get running() {
          return running();
        },
        kill: (signal) => void (running() && child.kill(signal)),
        stop,
      };
    }
    if (options.signal?.aborted === true) {
      await stop(KILL_AFTER_ABORTED_START_MS);
      throw new SconceError('redis_unavailable', 'starting Redis was cancelled', { cause: options.signal.reason });
    }
    if (probe === 'other-process' || performance.now() > deadline) {
      await stop(KILL_AFTER_ABORTED_START_MS);
      if (probe === 'other-process') return PORT_TAKEN;
      break;
    }
    await Promise.race([exited, delay(PROBE_INTERVAL_MS)]);
  }
  // After the process has ended, the last lines of its log may still be in the pipe.
  if (pid !== undefined && !child.stdout.closed) await once(child.stdout, 'close');
  if (/address already in use/i.test(log)) return PORT_TAKEN;
  throw new SconceError('redis_unavailable', startFailure(options, log), { details: { port: options.port } });
}

function startFailure(options: SpawnRedisOptions, log: string): string {
  const tail = log.trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
  return (
    `${options.program} did not start on 127.0.0.1:${options.port}; the end of its log:\n` +
    (tail === '' ? '(the log is empty)' : tail)
  );
}

/** Ends the server together with this process: an exit hook for a normal end, and a watcher process for any other end. */
function watch(child: ChildProcess, pid: number, exited: Promise<void>, ownDir: string | undefined): void {
  if (live.size === 0) process.on('exit', endAll);
  live.set(child, ownDir);
  const watcher = spawn('/bin/sh', ['-c', WATCHER, 'sconce-redis-watcher', String(pid), ownDir ?? ''], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watcher.on('error', () => undefined); // without /bin/sh there is only the exit hook
  watcher.stdin?.on('error', () => undefined);
  watcher.unref();
  // The pipe must not keep this process alive.
  if (watcher.stdin instanceof Socket) watcher.stdin.unref();
  void exited.then(() => {
    watcher.kill('SIGKILL');
    live.delete(child);
    if (live.size === 0) process.off('exit', endAll);
  });
}

/** Runs in the `exit` event, where only synchronous work is possible. */
function endAll(): void {
  for (const [child, ownDir] of live) {
    // SIGTERM lets Redis flush its append-only file. A folder that is deleted does not need that.
    child.kill(ownDir === undefined ? 'SIGTERM' : 'SIGKILL');
    if (ownDir !== undefined) rmSync(ownDir, { recursive: true, force: true });
  }
}
