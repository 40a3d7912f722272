import { z } from 'zod';
import { queueConfigSchema, type QueueConfig } from '@sconce/queue';
import { storageFromEnv, type StorageConfig } from '@sconce/storage';
import { telemetryConfigFromEnv, type TelemetryConfig } from '@sconce/telemetry';

const port = z.coerce.number().int().min(0).max(65_535);
const positive = z.coerce.number().int().positive();

const envSchema = z.object({
  /** Address to listen on; containers set 0.0.0.0. */
  SCONCE_HOST: z.string().default('127.0.0.1'),
  /** HTTP port; 0 takes a free one. */
  SCONCE_PORT: port.default(8000),
  /** Port of /metrics and /health; 0 takes a free one. */
  SCONCE_METRICS_PORT: port.default(8002),
  SCONCE_REDIS_URL: z.string().optional(),
  SCONCE_KEY_PREFIX: z.string().optional(),
  /** Folder (or `s3://bucket/prefix`) of the blob store. */
  SCONCE_DATA: z.string().default('.sconce/blobs'),
  /** Largest request body, after decompression. */
  SCONCE_MAX_BODY_BYTES: positive.default(64 * 1024 ** 2),
  /** Largest file that may be uploaded. */
  SCONCE_MAX_FILE_BYTES: positive.default(100 * 1024 ** 3),
  /** Folders, and `s3://bucket/prefix`, from which datasets may be read where they are; separated by commas. */
  SCONCE_DATASET_ROOTS: z.string().default(''),
  /** Whether webhooks may go to private addresses, and without TLS. */
  SCONCE_WEBHOOK_ALLOW_PRIVATE: z.stringbool().default(false),
  /** Batches that have not ended, beyond which more are refused. */
  SCONCE_MAX_BATCHES: positive.optional(),
  /** How long an ended batch and its results are kept. */
  SCONCE_BATCH_TTL_SECONDS: positive.optional(),
  /** Largest model artifact. */
  SCONCE_MAX_ARTIFACT_BYTES: positive.default(16 * 1024 ** 3),
  /** Jobs waiting in one queue beyond which requests are refused. */
  SCONCE_MAX_BACKLOG: positive.optional(),
  /** Requests waiting for an answer beyond which more are refused. */
  SCONCE_MAX_OUTSTANDING: positive.optional(),
  /** How long a request may take where it does not say. */
  SCONCE_REQUEST_TIMEOUT_MS: positive.max(3_600_000).default(60_000),
  SCONCE_JOB_TTL_SECONDS: positive.optional(),
  SCONCE_RESULT_TTL_SECONDS: positive.optional(),
  /** How long a shutdown waits for requests under way. */
  SCONCE_SHUTDOWN_GRACE_MS: positive.default(25_000),
});

/** The API's settings, read from the environment once. */
export interface ApiConfig {
  readonly host: string;
  readonly port: number;
  readonly metricsPort: number;
  readonly maxBodyBytes: number;
  readonly maxArtifactBytes: number;
  readonly maxFileBytes: number;
  readonly webhookAllowPrivate: boolean;
  /** Places from which datasets may be read where they are. */
  readonly datasetRoots: readonly string[];
  readonly requestTimeoutMs: number;
  readonly shutdownGraceMs: number;
  readonly storage: StorageConfig;
  readonly queue: QueueConfig;
  readonly telemetry: TelemetryConfig;
}

/** Reads and checks the environment; throws a ZodError that names the variable. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): ApiConfig {
  const vars = envSchema.parse(env);
  return Object.freeze({
    host: vars.SCONCE_HOST,
    port: vars.SCONCE_PORT,
    metricsPort: vars.SCONCE_METRICS_PORT,
    maxBodyBytes: vars.SCONCE_MAX_BODY_BYTES,
    maxArtifactBytes: vars.SCONCE_MAX_ARTIFACT_BYTES,
    maxFileBytes: vars.SCONCE_MAX_FILE_BYTES,
    webhookAllowPrivate: vars.SCONCE_WEBHOOK_ALLOW_PRIVATE,
    datasetRoots: vars.SCONCE_DATASET_ROOTS.split(',').filter((root) => root !== ''),
    requestTimeoutMs: vars.SCONCE_REQUEST_TIMEOUT_MS,
    shutdownGraceMs: vars.SCONCE_SHUTDOWN_GRACE_MS,
    storage: storageFromEnv(env, vars.SCONCE_DATA).storage,
    queue: queueConfigSchema.parse({
      redisUrl: vars.SCONCE_REDIS_URL,
      keyPrefix: vars.SCONCE_KEY_PREFIX,
      maxBacklog: vars.SCONCE_MAX_BACKLOG,
      maxBatches: vars.SCONCE_MAX_BATCHES,
      batchTtlSeconds: vars.SCONCE_BATCH_TTL_SECONDS,
      maxOutstanding: vars.SCONCE_MAX_OUTSTANDING,
      jobTtlSeconds: vars.SCONCE_JOB_TTL_SECONDS,
      resultTtlSeconds: vars.SCONCE_RESULT_TTL_SECONDS,
    }),
    telemetry: telemetryConfigFromEnv(env),
  });
}
