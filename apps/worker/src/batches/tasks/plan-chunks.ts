import type { ChunkRange } from '@sconce/datasets';
import type { DatasetTasks } from '../dataset-protocol.ts';
import { openPinned } from './open-pinned.ts';
import type { TaskContext } from './task-context.ts';

/** Plans the next chunks of a dataset. */
export async function planChunks(
  task: DatasetTasks['plan']['task'],
  context: TaskContext,
): Promise<DatasetTasks['plan']['reply']> {
  const { plan, size, count } = task;
  await using reader = await openPinned(plan, context);
  const chunks: ChunkRange[] = [];
  let next = task.from;
  let last = false;
  while (!last && chunks.length < count) {
    context.signal.throwIfAborted();
    const planned = await reader.plan(next, size);
    if (planned.chunk !== undefined) chunks.push(planned.chunk);
    ({ next, last } = planned);
  }
  return { chunks, next, last };
}
