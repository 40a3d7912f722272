import { startRedisServer, type RedisServer } from '@sconce/redis-server';
import { startRedisWithSentinels } from '@sconce/testing/without-vitest';
import { startTcpProxy, type TcpProxy } from '../../../support/tcp-proxy.ts';
import type { SystemPlan } from '../plan/plan.ts';

const MAX_MEMORY_BYTES = 256 * 1024 ** 2;

/** The Redis of a system, and how each process reaches it. */
export interface RedisSetup {
  /** `redis-1` is the primary at first. */
  readonly servers: readonly RedisServer[];
  /** Proxies by the name of the process that connects through them. Empty with Sentinels. */
  readonly proxies: ReadonlyMap<string, TcpProxy>;
  /** Settings of the process of this name. */
  env(process: string): Record<string, string>;
  stop(): Promise<void>;
}

/** Starts a Redis with a proxy per process, or a primary and a replica with Sentinels. */
export async function startRedisFor(plan: SystemPlan, processes: readonly string[]): Promise<RedisSetup> {
  if (plan.redis === 'sentinels') {
    const { url, servers, stop } = await startRedisWithSentinels();
    return {
      servers,
      proxies: new Map(),
      env: (process) => ({ SCONCE_REDIS_URL: url, ...(process === 'api' ? { SCONCE_REDIS_REPLICAS: '1' } : {}) }),
      stop,
    };
  }
  const server = await startRedisServer({ appendOnly: true, maxMemoryBytes: MAX_MEMORY_BYTES });
  const proxies = new Map(
    await Promise.all(processes.map(async (name) => [name, await startTcpProxy(server.port)] as const)),
  );
  return {
    servers: [server],
    proxies,
    env: (process) => ({ SCONCE_REDIS_URL: `redis://127.0.0.1:${proxies.get(process)?.port}` }),
    stop: async () => {
      await Promise.all([...proxies.values()].map((proxy) => proxy.stop()));
      server.kill('SIGCONT');
      await server.stop();
    },
  };
}

/** Redis' memory limit while no fault changes it, as `CONFIG SET` takes it. */
export const NORMAL_MAX_MEMORY = String(MAX_MEMORY_BYTES);
