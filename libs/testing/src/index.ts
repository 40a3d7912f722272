export { atEndOfFile } from './end-of-file.ts';
export {
  TOLERANCES,
  expectClose,
  maxError,
  toleranceOf,
  type MaxError,
  type NumericArray,
  type Tolerance,
} from './close-to.ts';
export { eventually } from './eventually.ts';
export { assertNoGrowth, failOnLeaks, snapshotResources, type ResourceCounts } from './fail-on-leaks.ts';
export {
  startRedisWithSentinels,
  type RedisWithSentinels,
  type RedisWithSentinelsOptions,
} from './redis-with-sentinels.ts';
export { freePort } from './free-port.ts';
export { startProcess, type ProcessExit, type StartProcessOptions, type StartedProcess } from './start-process.ts';
export { temporaryFolder } from './temporary-folder.ts';
export { testRedis, type TestRedis } from './test-redis.ts';
export { fixturePath, type FixtureModel } from './fixture-path.ts';
