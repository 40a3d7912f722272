import { startRedisServer, type RedisServer } from '@sconce/redis-server';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the Redis that all specs of the run share. */
    readonly redisUrl: string;
  }
}

interface SharedRedis {
  readonly server: Promise<RedisServer>;
  users: number;
}

/** Vitest loads this file once per project, each time as a new module. So the shared server is kept on `globalThis`. */
const holder = globalThis as { [SHARED]?: SharedRedis | undefined };
const SHARED: unique symbol = Symbol.for('sconce.testing.redis');

/**
 * Vitest's globalSetup: starts one private Redis for the whole run and provides its URL as `redisUrl`. Returns the teardown.
 * If no Redis is installed, the run fails with the install command.
 */
export default async function startSharedRedis(project: TestProject): Promise<() => Promise<void>> {
  const shared = (holder[SHARED] ??= { server: startRedisServer({ path: process.env['PATH'] }), users: 0 });
  shared.users += 1;
  const server = await shared.server;
  project.provide('redisUrl', server.url);
  return async () => {
    shared.users -= 1;
    if (shared.users > 0) return;
    holder[SHARED] = undefined;
    await server.stop();
  };
}
