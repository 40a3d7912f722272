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
  /** Tasks handed to a thread before the first has come back, so that it never waits for the event loop. */
  tasksPerThread: z.int().min(1).max(16).default(2),
  /** ONNX Runtime's own threads per session, for models that do not say; else what registration measured, 1 as a rule. */
  intraOpThreads: z.int().min(1).max(256).optional(),
  /** Models a thread keeps loaded. */
  maxModelsPerThread: z.int().min(1).max(1024).default(16),
  /** Total size of the model files a thread keeps loaded, bytes. */
  maxModelBytesPerThread: z
    .int()
    .min(1)
    .default(2 * 1024 ** 3),
  /** How that came about, where nobody chose it: for the message of a model that is refused. */
  modelBudgetFrom: z.string().optional(),
  /** Rows in one session call, where the model does not say otherwise. */
  maxBatchRows: z.int().min(1).max(65_536).default(64),
  /** Row ranges waiting for a thread; more are refused. */
  maxWaiting: z.int().min(1).default(65_536),
  /** Longest that a run, or the loading of a model, may take, ms: what takes longer counts as hung. */
  maxRunMs: z.int().min(100).default(120_000),
  /** Shared memory kept for reuse, bytes. */
  maxIdleArenaBytes: z
    .int()
    .min(0)
    .default(128 * 1024 ** 2),
});

export type RuntimeConfig = z.infer<typeof runtimeConfigSchema>;
