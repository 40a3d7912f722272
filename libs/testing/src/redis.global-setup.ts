import { startRedisServer, type RedisServer } from '@sconce/redis-server';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the run's one Redis. */
    readonly redisUrl: string;
  }
}

interface SharedRedis {
  readonly server: Promise<RedisServer>;
  users: number;
}

/** Vitest runs this file once per project, each time as a new module: what they share hangs on the process. */
const holder = globalThis as { [SHARED]?: SharedRedis | undefined };
const SHARED: unique symbol = Symbol.for('sconce.testing.redis');

/**
 * Vitest globalSetup: one private Redis for the whole run, its URL provided as `redisUrl`. Returns the teardown.
 * Without a Redis on the machine the run fails, with the command that installs one.
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
