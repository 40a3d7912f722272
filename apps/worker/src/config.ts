import { totalmem } from 'node:os';
import { z } from 'zod';
import { queueConfigSchema, type Lane, type QueueConfig } from '@sconce/queue';
import { runtimeConfigSchema, type RuntimeConfig } from '@sconce/runtime';
import { storageFromEnv, type S3Settings, type StorageConfig } from '@sconce/storage';
import { telemetryConfigFromEnv, type TelemetryConfig } from '@sconce/telemetry';
import type { WebhookConfig } from './webhooks/webhook.processor.ts';

const positive = z.coerce.number().int().positive();

const envSchema = z.object({
  /** Address of the metrics and health port; containers set 0.0.0.0. */
  SCONCE_HOST: z.string().default('127.0.0.1'),
  /** Port of /metrics and /health; 0 takes a free one. */
  SCONCE_METRICS_PORT: z.coerce.number().int().min(0).max(65_535).default(8002),
  SCONCE_REDIS_URL: z.string().optional(),
  SCONCE_KEY_PREFIX: z.string().optional(),
  /** Folder (or `s3://bucket/prefix`) of the blob store: the API's. */
  SCONCE_DATA: z.string().default('.sconce/blobs'),
  /** Folders, and `s3://bucket/prefix`, from which datasets may be read where they are; separated by commas. */
  SCONCE_DATASET_ROOTS: z.string().default(''),
  SCONCE_BATCH_TTL_SECONDS: positive.optional(),
  /** Whether webhooks may go to private addresses, and without TLS. */
  SCONCE_WEBHOOK_ALLOW_PRIVATE: z.stringbool().default(false),
  /** The pool whose lanes this worker consumes. */
  SCONCE_POOL: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/)
    .default('default'),
  /** Inference threads. */
  SCONCE_THREADS: positive.optional(),
  /** ONNX Runtime's own threads per session. */
  SCONCE_INTRA_OP_THREADS: positive.optional(),
  /** Most rows in one session call. */
  SCONCE_MAX_BATCH_ROWS: positive.optional(),
  /** Longest that a run, or the loading of a model, may take: a worker in which one takes longer ends itself. */
  SCONCE_MAX_RUN_MS: positive.optional(),
  /** Models and bytes of model files that each thread keeps loaded. */
  SCONCE_MAX_MODELS_PER_THREAD: positive.optional(),
  SCONCE_MAX_MODEL_BYTES_PER_THREAD: positive.optional(),
  /** Queue jobs of each lane under way at once. */
  SCONCE_ONLINE_CONCURRENCY: positive.optional(),
  SCONCE_BATCH_CONCURRENCY: positive.optional(),
  SCONCE_RESULT_TTL_SECONDS: positive.optional(),
  /** Memory that the process of a registration may take, files not counted; default half of the machine's (or container's). */
  SCONCE_REGISTRATION_MEMORY_BYTES: positive.optional(),
  /** How long a registration may take. */
  SCONCE_REGISTRATION_TIMEOUT_MS: positive.default(600_000),
  /** How long a shutdown waits for work under way; what is left then goes to another worker. */
  SCONCE_SHUTDOWN_GRACE_MS: positive.default(25_000),
});

/** Queue jobs under way per thread: enough that none waits for the queue, and few enough that other workers get theirs. */
const JOBS_PER_THREAD = 4;

/** The worker's settings, read from the environment once. */
export interface WorkerConfig {
  readonly host: string;
  readonly metricsPort: number;
  readonly pool: string;
  /** Queue jobs under way at once, per lane. */
  readonly concurrency: Readonly<Record<Lane, number>>;
  readonly shutdownGraceMs: number;
  /** What the process of a registration may take. */
  readonly registration: { readonly memoryBytes: number; readonly timeoutMs: number };
  readonly webhooks: WebhookConfig;
  readonly storage: StorageConfig;
  /** How buckets of datasets are reached. */
  readonly s3: S3Settings;
  /** Places from which datasets may be read where they are. */
  readonly datasetRoots: readonly string[];
  readonly runtime: RuntimeConfig;
  readonly queue: QueueConfig;
  readonly telemetry: TelemetryConfig;
}

/** The container's limit where there is one, else the machine's memory. */
function availableMemory(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

/** Reads and checks the environment; throws a ZodError that names the variable. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): WorkerConfig {
  const vars = envSchema.parse(env);
  const runtime = runtimeConfigSchema.parse({
    threads: vars.SCONCE_THREADS,
    intraOpThreads: vars.SCONCE_INTRA_OP_THREADS,
    maxBatchRows: vars.SCONCE_MAX_BATCH_ROWS,
    maxRunMs: vars.SCONCE_MAX_RUN_MS,
    maxModelsPerThread: vars.SCONCE_MAX_MODELS_PER_THREAD,
    maxModelBytesPerThread: vars.SCONCE_MAX_MODEL_BYTES_PER_THREAD,
  });
  const jobs = JOBS_PER_THREAD * runtime.threads;
  return Object.freeze({
    host: vars.SCONCE_HOST,
    metricsPort: vars.SCONCE_METRICS_PORT,
    pool: vars.SCONCE_POOL,
    concurrency: { online: vars.SCONCE_ONLINE_CONCURRENCY ?? jobs, batch: vars.SCONCE_BATCH_CONCURRENCY ?? jobs },
    shutdownGraceMs: vars.SCONCE_SHUTDOWN_GRACE_MS,
    registration: {
      memoryBytes: vars.SCONCE_REGISTRATION_MEMORY_BYTES ?? Math.floor(availableMemory() / 2),
      timeoutMs: vars.SCONCE_REGISTRATION_TIMEOUT_MS,
    },
    webhooks: { allowPrivate: vars.SCONCE_WEBHOOK_ALLOW_PRIVATE },
    ...storageFromEnv(env, vars.SCONCE_DATA),
    datasetRoots: vars.SCONCE_DATASET_ROOTS.split(',').filter((root) => root !== ''),
    runtime,
    queue: queueConfigSchema.parse({
      redisUrl: vars.SCONCE_REDIS_URL,
      keyPrefix: vars.SCONCE_KEY_PREFIX,
      resultTtlSeconds: vars.SCONCE_RESULT_TTL_SECONDS,
      batchTtlSeconds: vars.SCONCE_BATCH_TTL_SECONDS,
    }),
    telemetry: telemetryConfigFromEnv(env),
  });
}
