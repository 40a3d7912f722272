export { exposeCollector, releaseStartupMemory } from './release-startup-memory.ts';
export { releaseWhenIdle, type ReleaseOptions } from './release-when-idle.ts';
