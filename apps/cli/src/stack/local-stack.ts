import { chmodSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startRedisServer, type RedisServer } from '@sconce/redis-server';
import type { CliConfig } from '../config.ts';
import { failure } from '../output/failure.ts';
import { lockData } from './data-lock.ts';
import { SupervisedProcess } from './supervised-process.ts';

export interface LocalStackOptions {
  readonly config: CliConfig;
  /** 0 for a free one. */
  readonly port: number;
  /** Models, the queue's log, the processes' logs: all that outlives a restart. */
  readonly data: string;
  readonly workers: number;
  /** Given to the API and the workers. */
  readonly env?: Readonly<Record<string, string>>;
  readonly onEvent: (text: string) => void;
  readonly onGaveUp: (error: Error) => void;
}

/** The whole system on this machine. */
export interface LocalStack {
  readonly url: string;
  readonly redisUrl: string;
  readonly metricsUrl: string;
  readonly logs: string;
  pids(): { redis: number; api: number | undefined; workers: (number | undefined)[] };
  /** Drains everything: the API first, then the workers, then Redis. */
  stop(): Promise<void>;
  /** Ends everything at once. */
  kill(): void;
}

/** Starts a private Redis (append-only, so that accepted work survives), the API and the workers. */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const data = resolve(options.data);
  const logs = join(data, 'logs');
  const redisDir = join(data, 'redis');
  for (const folder of [data, logs, redisDir]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(data, 0o700);
  const unlock = lockData(data);
  const started: { stop: () => Promise<void> | void; kill: () => void }[] = [{ stop: unlock, kill: unlock }];
  const stop = async (): Promise<void> => {
    for (const part of started.splice(0).reverse()) await part.stop();
  };
  try {
    if (options.port !== 0) await checkPort(options.port);
    const redis = await startRedisServer({
      dir: redisDir,
      appendOnly: true,
      ...(options.config.path === undefined ? {} : { path: options.config.path }),
    });
    started.push({ stop: () => redis.stop(), kill: () => redis.kill('SIGKILL') });
    const env = {
      ...options.config.inherited,
      ...options.env,
      SCONCE_REDIS_URL: redis.url,
      SCONCE_KEY_PREFIX: '',
      SCONCE_DATA: join(data, 'blobs'),
      SCONCE_METRICS_PORT: '0',
    };
    const start = (name: string, app: string, extra: Record<string, string> = {}): SupervisedProcess => {
      const process = new SupervisedProcess({
        name,
        modulePath: fileURLToPath(new URL(`../../../${app}/dist/main.js`, import.meta.url)),
        env: { ...env, ...extra },
        logPath: join(logs, `${name.replace(' ', '-')}.log`),
        onEvent: options.onEvent,
        onGaveUp: options.onGaveUp,
      });
      started.push(process);
      return process;
    };
    const workers = Array.from({ length: options.workers }, (_, index) => start(`worker ${index + 1}`, 'worker'));
    // Last started, first stopped: it takes no requests that the workers would no longer answer.
    const port = options.port === 0 ? await freePort() : options.port;
    const api = start('api', 'api', { SCONCE_PORT: String(port) });
    const [ready] = await Promise.all([api.start(), ...workers.map((worker) => worker.start())]);
    return describeStack({
      redis,
      api,
      workers,
      logs,
      url: ready.url ?? '',
      metricsUrl: ready.metricsUrl,
      stop,
      started,
    });
  } catch (error) {
    await stop();
    throw error;
  }
}

function describeStack(parts: {
  redis: RedisServer;
  api: SupervisedProcess;
  workers: readonly SupervisedProcess[];
  logs: string;
  url: string;
  metricsUrl: string;
  stop: () => Promise<void>;
  started: { kill: () => void }[];
}): LocalStack {
  const { redis, api, workers, logs, url, metricsUrl, stop, started } = parts;
  return {
    url,
    redisUrl: redis.url,
    metricsUrl,
    logs,
    pids: () => ({ redis: redis.pid, api: api.pid, workers: workers.map((worker) => worker.pid) }),
    stop,
    kill: () => {
      for (const part of started.reverse()) part.kill();
    },
  };
}

/** A port that is free now; kept for restarts of the API, which must come back at the same address. */
async function freePort(): Promise<number> {
  return listenOnce(0);
}

async function checkPort(port: number): Promise<void> {
  try {
    await listenOnce(port);
  } catch (cause) {
    throw failure(
      'invalid_request',
      `Port ${port} is taken.`,
      'Stop what listens there, or choose another with --port (0 for any free one).',
      cause,
    );
  }
}

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
