/**
 * Everything that relies on how a library works inside, and that its documentation does not promise. Other code of this
 * project uses these functions and relies on none of these facts. `library-internals.spec.ts` tests each fact against the
 * pinned versions: when it fails after an update, read the library again before you change the spec.
 *
 * | fact                                                                                                | version       | used in               |
 * | --------------------------------------------------------------------------------------------------- | ------------- | --------------------- |
 * | A client writes what `Command.toWritable(socket)` returns, after what that method itself wrote.      | ioredis 6.0.0 | set-pieces.ts         |
 * | `disconnect()` in status `reconnecting` emits no `end` and rejects nothing; in status `wait` it does. | ioredis 6.0.0 | endable-redis.ts      |
 * | `new Worker` calls `duplicate()` of its connection once, before it returns, for its blocking client. | bullmq 6.7.0  | endable-redis.ts      |
 * | A Worker leaves a shared connection open when it closes.                                             | bullmq 6.7.0  | worker-connections.ts |
 * | After `pause(true)` a Worker takes no job once its waiting fetch has ended, and `resume` works at once. | bullmq 6.7.0  | queue-consumer.ts     |
 * | The job's hash counts its deliveries in `ats`; the Worker that runs it holds `<job key>:lock`.       | bullmq 6.7.0  | bullmq-deliveries.ts  |
 * | The lock of a job is `<id of the Worker>:<number>`; the Worker reads its id when it runs.             | bullmq 6.7.0  | bullmq-locks.ts       |
 * | A look for stalled jobs returns the active jobs in `stalled` (set) without a lock; `stalled-check` delays it. | bullmq 6.7.0  | bullmq-locks.ts       |
 * | `startStalledCheckTimer` looks at once.                                                              | bullmq 6.7.0  | queue-consumer.ts     |
 * | Waiting jobs are in `wait` (list), `prioritized`, `delayed` (sorted sets), running ones in `active`. | bullmq 6.7.0  | bullmq-queues.ts      |
 * | A new job enters `wait` on the left; the lowest score in `prioritized` is taken first.               | bullmq 6.7.0  | bullmq-queues.ts      |
 * | `moveToDelayed` and `DelayedError` do not count as an attempt.                                       | bullmq 6.7.0  | bullmq-deliveries.ts  |
 * | Failed jobs are in `failed` (sorted set, by the ms at which they failed); unknown fields of a job stay. | bullmq 6.7.0  | bullmq-failed.ts      |
 * | The job's hash has the epoch ms at which it was added in `timestamp`.                                | bullmq 6.7.0  | bullmq-queues.ts      |
 */
export { countPostponed, uncountDelivery } from './bullmq-deliveries.ts';
export { NamedWorker, breakLock, holderOf, oldLocks, type HeldLock, type LockedQueue } from './bullmq-locks.ts';
export { openFailures, settleFailure } from './bullmq-failed.ts';
export {
  JOB_STATES,
  REPLIES_PER_COUNT,
  addCount,
  readCount,
  readQueueStates,
  type JobCounts,
  type QueueState,
} from './bullmq-queues.ts';
export { EndableRedis, disconnectCopies, withCopies } from './endable-redis.ts';
export { setPieces, type PieceValue } from './set-pieces.ts';
