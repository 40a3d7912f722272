import { availableParallelism } from 'node:os';
import * as z from 'zod';

/** Settings of the runtime, with their defaults. */
export const runtimeConfigSchema = z.object({
  /** Inference threads; one per core wins for throughput (measured). */
  threads: z
    .int()
    .min(1)
    .max(256)
    .default(() => availableParallelism()),
  /** Tasks handed to a thread before the first is answered, so that the thread never waits for the event loop. */
  tasksPerThread: z.int().min(1).max(16).default(2),
  /** ONNX Runtime's own threads per session, for models that do not set them. Default: the number that registration chose, usually 1. */
  intraOpThreads: z.int().min(1).max(256).optional(),
  /** Models a thread keeps loaded. */
  maxModelsPerThread: z.int().min(1).max(1024).default(16),
  /** Total size of the model files a thread keeps loaded, bytes. */
  maxModelBytesPerThread: z
    .int()
    .min(1)
    .default(2 * 1024 ** 3),
  /** How the limit was computed, if no setting gives it: for the error of a model that is refused. */
  modelBudgetFrom: z.string().optional(),
  /** Rows in one session call, for models that do not set them. */
  maxBatchRows: z.int().min(1).max(65_536).default(64),
  /** Requests that wait for a thread; more are refused. */
  maxWaiting: z.int().min(1).default(65_536),
  /** Longest time of a run or of loading a model, ms. A run that takes longer counts as hung. */
  maxRunMs: z.int().min(100).default(120_000),
  /** Shared memory kept for reuse, bytes. */
  maxIdleArenaBytes: z
    .int()
    .min(0)
    .default(128 * 1024 ** 2),
});

export type RuntimeConfig = z.infer<typeof runtimeConfigSchema>;
