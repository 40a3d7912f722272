import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SconceError } from '@sconce/errors';
import { findRedisServer, redisServerMissing, type FindRedisServerOptions } from './find-redis-server.ts';
import { freeLoopbackPort } from './probe-redis.ts';
import { PORT_TAKEN, spawnRedis, type RedisProcess } from './redis-process.ts';

export interface StartRedisServerOptions extends FindRedisServerOptions {
  /** Where Redis keeps its files; created when absent and left in place. Default: a temporary folder, removed at stop. */
  readonly dir?: string | undefined;
  /** Loopback port. Default: any free one. */
  readonly port?: number | undefined;
  /** Keep data across restarts in an append-only file, synced once a second. Default false: memory only. */
  readonly appendOnly?: boolean | undefined;
  /** Redis's own memory limit; writes fail beyond it, nothing is evicted. Default: no limit. */
  readonly maxMemoryBytes?: number | undefined;
  /** Cancels the start, or stops the running server. */
  readonly signal?: AbortSignal | undefined;
  /** How long the server may take to answer PING, loading an append-only file included. */
  readonly startTimeoutMs?: number | undefined;
  /** How long a stop waits after SIGTERM before it sends SIGKILL. */
  readonly stopTimeoutMs?: number | undefined;
}

/**
 * A private Redis on loopback.
 *
 * States: running → (stop) → stopped, for good; running → (kill, or it died) → down → (restart) → running.
 */
export interface RedisServer {
  /** `redis://127.0.0.1:<port>`; the same after a restart. */
  readonly url: string;
  readonly port: number;
  /** The process now running, or the last one that did. */
  readonly pid: number;
  readonly dir: string;
  /** SIGTERM, then SIGKILL after `stopTimeoutMs`; removes a temporary folder. Safe to call again. */
  stop(): Promise<void>;
  /** Sends a signal to the server, as a crash or a stall would (`SIGKILL`, `SIGSTOP`, `SIGCONT`). */
  kill(signal: NodeJS.Signals): void;
  /** Ends the server if it still runs and starts it again on the same port and folder. */
  restart(): Promise<void>;
}

const PORT_ATTEMPTS = 5;
const DEFAULT_START_TIMEOUT_MS = 30_000;
const DEFAULT_STOP_TIMEOUT_MS = 5_000;

/**
 * Starts a private Redis (or Valkey): loopback only, no eviction, no snapshots.
 *
 * It ends with this process: an `exit` hook kills it, and a small watcher process does when we die without one
 * (SIGKILL, a crash). Errors: SconceError `redis_unavailable` (none installed: how to install one; port taken; did not
 * start: the end of its log).
 */
export async function startRedisServer(options: StartRedisServerOptions = {}): Promise<RedisServer> {
  const found = await findRedisServer(options);
  if (found === undefined) throw redisServerMissing();
  const stopTimeoutMs = options.stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS;
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'sconce-redis-')));
  const ownDir = options.dir === undefined ? dir : undefined;
  const removeOwnDir = async (): Promise<void> => {
    if (ownDir !== undefined) await rm(ownDir, { recursive: true, force: true });
  };
  const spawnOn = (port: number): Promise<RedisProcess | typeof PORT_TAKEN> =>
    spawnRedis({
      program: found.path,
      args: serverArguments(options, dir, port),
      port,
      ownDir,
      startTimeoutMs: options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS,
      signal: options.signal,
    });

  let port: number;
  let current: RedisProcess;
  try {
    await mkdir(dir, { recursive: true });
    [port, current] = await spawnOnFreePort(options.port, spawnOn);
  } catch (error) {
    await removeOwnDir();
    throw error;
  }

  // stop and restart run one after the other: a restart that overlaps a stop must not leave a server behind.
  let stopped = false;
  let last: Promise<void> = Promise.resolve();
  const inTurn = (step: () => Promise<void>): Promise<void> => {
    const turn = last.then(step);
    last = turn.catch(() => undefined);
    return turn;
  };
  const server: RedisServer = {
    url: `redis://127.0.0.1:${port}`,
    port,
    dir,
    get pid() {
      return current.pid;
    },
    kill: (signal) => current.kill(signal),
    stop: () =>
      inTurn(async () => {
        if (stopped) return;
        stopped = true;
        options.signal?.removeEventListener('abort', onAbort);
        await current.stop(stopTimeoutMs);
        await removeOwnDir();
      }),
    restart: () =>
      inTurn(async () => {
        if (stopped) throw new SconceError('redis_unavailable', 'this Redis was stopped; start a new one');
        await current.stop(stopTimeoutMs);
        const next = await spawnOn(port);
        if (next === PORT_TAKEN) throw portTaken(port);
        current = next;
      }),
  };
  const onAbort = (): void => void server.stop();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted === true) await server.stop();
  return server;
}

async function spawnOnFreePort(
  wanted: number | undefined,
  spawnOn: (port: number) => Promise<RedisProcess | typeof PORT_TAKEN>,
): Promise<[number, RedisProcess]> {
  for (let attempt = 1; ; attempt++) {
    const port = wanted ?? (await freeLoopbackPort());
    const started = await spawnOn(port);
    if (started !== PORT_TAKEN) return [port, started];
    if (wanted !== undefined || attempt === PORT_ATTEMPTS) throw portTaken(port);
  }
}

function portTaken(port: number): SconceError {
  return new SconceError(
    'redis_unavailable',
    `port ${port} on 127.0.0.1 is in use by another process: stop that one or choose another port`,
    { details: { port } },
  );
}

function serverArguments(options: StartRedisServerOptions, dir: string, port: number): readonly string[] {
  const settings: readonly (readonly [name: string, value: string])[] = [
    ['bind', '127.0.0.1'],
    ['port', String(port)],
    ['dir', dir],
    ['daemonize', 'no'],
    ['logfile', ''],
    ['save', ''],
    ['appendonly', options.appendOnly === true ? 'yes' : 'no'],
    ['appendfsync', 'everysec'],
    // Queues lose work silently under any other policy.
    ['maxmemory-policy', 'noeviction'],
    ['maxmemory', String(options.maxMemoryBytes ?? 0)],
  ];
  return settings.flatMap(([name, value]) => [`--${name}`, value]);
}
