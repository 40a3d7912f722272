import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { SconceClient } from '@sconce/client';
import { startRedisServer, type RedisServer } from '@sconce/redis-server';
import { startProduct } from '../support/product-process.ts';
import type { TriggerSource } from './keda.ts';

const SLOW = fileURLToPath(new URL('../../libs/testing/fixtures/slow.onnx', import.meta.url));
/** Long, so that no request ends by its timeout: the benchmark measures how long requests wait. */
const TIMEOUT_MS = 300_000;

/** A Redis and an API, and the variables that workers need to join them. The caller must close it. */
export interface Installation extends TriggerSource {
  readonly url: string;
  readonly server: RedisServer;
  /** Environment variables of a worker. */
  readonly workerEnv: Readonly<Record<string, string>>;
  /** Pushes a model (default: `slow`). Resolves when a worker has registered it. */
  push(name?: string, path?: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts a private Redis and an API, without any worker. */
export async function startInstallation(workerEnv: Readonly<Record<string, string>> = {}): Promise<Installation> {
  const data = mkdtempSync(join(tmpdir(), 'sconce-scaling-'));
  const server = await startRedisServer({ appendOnly: true });
  const env = {
    SCONCE_REDIS_URL: server.url,
    SCONCE_DATA: join(data, 'blobs'),
    SCONCE_METRICS_PORT: '0',
    SCONCE_LOG_LEVEL: 'error',
  };
  const api = startProduct('api', { ...env, SCONCE_PORT: '0', SCONCE_REQUEST_TIMEOUT_MS: String(TIMEOUT_MS) });
  const { url = '', metricsUrl } = await api.ready;
  const redis = new Redis(server.url);
  return {
    url,
    server,
    redis,
    apiMetricsUrl: metricsUrl,
    workerEnv: { ...env, ...workerEnv },
    push: async (name = 'slow', path = SLOW) => {
      const client = new SconceClient({ url });
      const { version } = await client.models.push(name, new Uint8Array(readFileSync(path)));
      await client.models.waitUntilReady(name, version);
    },
    close: async () => {
      api.child.kill('SIGTERM');
      await api.exited;
      redis.disconnect();
      await server.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
}
