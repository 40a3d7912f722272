export {
  MINIMUM_REDIS_VERSION,
  REDIS_INSTALL_HINT,
  findRedisServer,
  redisServerMissing,
  type FindRedisServerOptions,
  type FoundRedisServer,
} from './find-redis-server.ts';
export { freeLoopbackPort } from './probe-redis.ts';
export { startRedisServer, type RedisServer, type StartRedisServerOptions } from './start-redis-server.ts';
