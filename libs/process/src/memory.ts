export { finishStart, type FinishOptions } from './finish-start.ts';
export { freeBytes, isFreeable, ownMemory } from './free-bytes.ts';
export { exposeCollector } from './release-memory.ts';
export { releaseWhenIdle, type ReleaseOptions } from './release-when-idle.ts';
export { tuneHeap } from './tune-heap.ts';
