import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { machineLimits } from '@sconce/process';
import { startRedisServer, type RedisServer } from '@sconce/redis-server';
import { API_ENVIRONMENT, PROCESS_ENVIRONMENT } from '@sconce/runtime/process-environment';
import type { CliConfig } from '../config.ts';
import { productFile } from '../files/product-file.ts';
import { failure } from '../output/failure.ts';
import { compileCacheFolder } from './compile-cache.ts';
import { lockData } from './data-lock.ts';
import { watchRedis } from './redis-watch.ts';
import { SupervisedProcess } from './supervised-process.ts';

/** Share of the memory of this machine that Redis may use. The API refuses new work before Redis has used it up. */
const REDIS_MEMORY_SHARE = 0.25;

export interface LocalStackOptions {
  readonly config: CliConfig;
  /** 0: any free port. */
  readonly port: number;
  /** The port of gRPC. Default: what the environment says, else none. */
  readonly grpcPort?: number | undefined;
  /** The folder of everything that survives a restart: models, Redis data, logs of the processes. */
  readonly data: string;
  readonly workers: number;
  /** API processes on the port. Default: 1. */
  readonly apis?: number;
  /** Environment variables for the API and the workers. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the processes log to this process's stderr instead of to files. */
  readonly verbose?: boolean;
  /** Kills all processes at once when aborted, also during the start. */
  readonly killSignal?: AbortSignal;
  /** Called with a text when a process died and is started again. */
  readonly onEvent: (text: string) => void;
  /** Called when a process died too often and is not started again. */
  readonly onGaveUp: (error: Error) => void;
}

/** The whole system on this machine. */
export interface LocalStack {
  readonly url: string;
  /** Host and port of gRPC; undefined if it is off. */
  readonly grpcUrl: string | undefined;
  readonly redisUrl: string;
  readonly metricsUrl: string;
  /** Metrics addresses of the workers at the start. A worker that is started again has another. */
  readonly workerMetricsUrls: readonly string[];
  readonly logs: string;
  pids(): { redis: number; api: number | undefined; workers: (number | undefined)[] };
  /** Drains everything: the API first, then the workers, then Redis. */
  stop(): Promise<void>;
}

/** Starts a private Redis (append-only, so that accepted work survives), the API and the workers. */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const { config, killSignal, onEvent, onGaveUp } = options;
  const data = resolve(options.data);
  const logs = join(data, 'logs');
  const redisDir = join(data, 'redis');
  makeFolders([data, logs, redisDir]);
  const unlock = lockData(data);
  const processes: SupervisedProcess[] = [];
  let redis: RedisServer | undefined;
  let unwatch: (() => void) | undefined;
  // The API stops first: it must not accept requests that no worker would answer.
  const stop = async (): Promise<void> => {
    const [api, ...workers] = processes.toReversed();
    await api?.stop();
    await Promise.all(workers.map((worker) => worker.stop()));
    unwatch?.();
    await redis?.stop();
    unlock();
  };
  killSignal?.addEventListener('abort', () => {
    for (const process of processes) process.kill();
    unwatch?.();
    redis?.kill('SIGKILL');
    unlock();
  });
  try {
    const port = options.port === 0 ? await listenOnce(0) : await checkPort(options.port, '--port');
    const grpcPort = options.grpcPort === undefined ? undefined : await checkPort(options.grpcPort, '--grpc-port');
    redis = await startRedisServer({
      dir: redisDir,
      appendOnly: true,
      maxMemoryBytes: Math.floor(machineLimits().memoryBytes * REDIS_MEMORY_SHARE),
      path: config.path,
      signal: killSignal,
    });
    unwatch = watchRedis(redis, { onEvent, onGaveUp });
    const shared = {
      NODE_COMPILE_CACHE: compileCacheFolder(data, [programOf('api'), programOf('worker')]),
      ...config.inherited,
      ...options.env,
      SCONCE_REDIS_URL: redis.url,
      SCONCE_KEY_PREFIX: '',
      SCONCE_DATA: join(data, 'blobs'),
      SCONCE_METRICS_PORT: '0',
      SCONCE_PORT: String(port),
      ...(grpcPort === undefined ? {} : { SCONCE_GRPC_PORT: String(grpcPort) }),
      SCONCE_API_PROCESSES: String(options.apis ?? 1),
    };
    const prepare = (name: string, app: 'api' | 'worker'): SupervisedProcess => {
      const modulePath = programOf(app);
      const env = { ...(app === 'api' ? API_ENVIRONMENT : PROCESS_ENVIRONMENT), ...shared };
      const logPath = options.verbose === true ? undefined : join(logs, `${name.replace(' ', '-')}.log`);
      const process = new SupervisedProcess({ name, modulePath, env, logPath, onEvent, onGaveUp });
      processes.push(process);
      return process;
    };
    const workers = Array.from({ length: options.workers }, (_, index) => prepare(`worker ${index + 1}`, 'worker'));
    const api = prepare('api', 'api');
    const [ready, ...others] = await Promise.all([api.start(), ...workers.map((worker) => worker.start())]);
    const server = redis;
    return {
      url: ready.url ?? '',
      grpcUrl: ready.grpcUrl,
      redisUrl: server.url,
      metricsUrl: ready.metricsUrl,
      workerMetricsUrls: others.map(({ metricsUrl }) => metricsUrl),
      logs,
      pids: () => ({ redis: server.pid, api: api.pid, workers: workers.map((worker) => worker.pid) }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const programOf = (app: 'api' | 'worker'): string => productFile(`apps/${app}/dist/main.js`);

/** Makes folders that only their owner may read. A folder that exists keeps its mode. */
function makeFolders(folders: readonly string[]): void {
  for (const folder of folders) {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    } catch (cause) {
      const why = (cause as Error).message;
      throw failure('storage_unavailable', `The folder ${folder} cannot be created: ${why}.`, {
        hint: 'Give a writable folder with --data.',
        cause,
      });
    }
  }
}

/** The port's number, if it is free now. @throws SconceError `invalid_request` if it is not. */
async function checkPort(port: number, option: string): Promise<number> {
  try {
    return await listenOnce(port);
  } catch (cause) {
    const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw failure(
      'invalid_request',
      taken
        ? `Port ${port} is in use by another process.`
        : `Port ${port} cannot be used: ${(cause as Error).message}.`,
      {
        hint: `${taken ? 'Stop that process, or choose' : 'Choose'} another port with ${option} (0: any free port).`,
        cause,
      },
    );
  }
}

/** Opens a port (0: any free one), closes it and returns its number. A restarted API uses the same number again. */
async function listenOnce(port: number): Promise<number> {
  const server = createServer();
  return new Promise((resolvePort, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        resolvePort(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  });
}
