// The part of this package that works without vitest, for programs that start a system themselves.
export { eventually } from './eventually.ts';
export { fixturePath, type FixtureModel } from './fixture-path.ts';
export {
  startRedisWithSentinels,
  type RedisWithSentinels,
  type RedisWithSentinelsOptions,
} from './redis-with-sentinels.ts';
