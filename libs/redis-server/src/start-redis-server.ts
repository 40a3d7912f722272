import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SconceError } from '@sconce/errors';
import { findRedisServer, redisServerMissing, type FindRedisServerOptions } from './find-redis-server.ts';
import { freeLoopbackPort } from './probe-redis.ts';
import { PORT_TAKEN, spawnRedis, type RedisProcess } from './redis-process.ts';

/** Options of `startRedisServer`. */
export interface StartRedisServerOptions extends FindRedisServerOptions {
  /** Folder for Redis's files. It is created if it is missing, and kept. Default: a temporary folder, removed by `stop`. */
  readonly dir?: string | undefined;
  /** Loopback port. Default: any free one. */
  readonly port?: number | undefined;
  /** Keep data across restarts in an append-only file that is synced once a second. Default: false, memory only. */
  readonly appendOnly?: boolean | undefined;
  /** Redis's memory limit. Above it writes fail; nothing is evicted. Default: no limit. */
  readonly maxMemoryBytes?: number | undefined;
  /**
   * Further settings by their names in redis.conf, such as `replicaof`, each with its values between spaces. They must leave the plain
   * port open.
   */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Path of a configuration file of a Sentinel, which this server then is. It rewrites the file. */
  readonly sentinelFile?: string | undefined;
  /** Cancels the start, or stops the running server. */
  readonly signal?: AbortSignal | undefined;
  /** How long the server may take until it answers PING, including the loading of an append-only file. */
  readonly startTimeoutMs?: number | undefined;
  /** How long `stop` waits between SIGTERM and SIGKILL. */
  readonly stopTimeoutMs?: number | undefined;
}

/**
 * A private Redis server on loopback.
 *
 * States: running → (stop) → stopped, final; running → (kill, crash) → down → (restart) → running.
 */
export interface RedisServer {
  /** `redis://127.0.0.1:<port>`. A restart does not change it. */
  readonly url: string;
  readonly port: number;
  /** Id of the running process, or of the last one that ran. */
  readonly pid: number;
  readonly dir: string;
  /** SIGTERM, then SIGKILL after `stopTimeoutMs`; removes a temporary folder. Further calls do nothing. */
  stop(): Promise<void>;
  /** Sends a signal to the server, for example `SIGKILL` for a crash, or `SIGSTOP` and `SIGCONT` for a stall. */
  kill(signal: NodeJS.Signals): void;
  /** Stops the server if it runs, and starts it again on the same port and folder. */
  restart(): Promise<void>;
}

const PORT_ATTEMPTS = 5;
const DEFAULT_START_TIMEOUT_MS = 30_000;
const DEFAULT_STOP_TIMEOUT_MS = 5_000;

/**
 * Starts a private Redis (or Valkey): loopback only, no eviction, no snapshots.
 *
 * It ends with this process: an `exit` hook ends it after a normal exit, a small watcher process after any other (SIGKILL, a crash).
 * @throws SconceError `redis_unavailable`: no server is installed (with the install command), the port is taken, or the server did not
 * start (with the end of its log).
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

  // stop and restart run one after the other, so that a restart during a stop does not leave a server running.
  let stopped = false;
  let previous: Promise<void> = Promise.resolve();
  const inTurn = (step: () => Promise<void>): Promise<void> => {
    const turn = previous.then(step);
    previous = turn.catch(() => undefined);
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
    `port ${port} on 127.0.0.1 is in use by another process: stop that process or choose another port`,
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
    // With any other policy Redis deletes jobs without an error when memory is full.
    ['maxmemory-policy', 'noeviction'],
    ['maxmemory', String(options.maxMemoryBytes ?? 0)],
  ];
  return [
    ...(options.sentinelFile === undefined ? [] : [options.sentinelFile, '--sentinel']),
    ...settings.flatMap(([name, value]) => [`--${name}`, value]),
    ...Object.entries(options.settings ?? {}).flatMap(([name, values]) => [`--${name}`, ...values.split(' ')]),
  ];
}
