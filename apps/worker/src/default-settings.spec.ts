import { expect, it } from 'vitest';
import { SETTINGS, machineLimits, runMemoryFor, threadsFor, type Setting, type Settings } from '@sconce/process';
import { queueConfigSchema } from '@sconce/queue';
import { runtimeConfigSchema } from '@sconce/runtime';
import { telemetryConfigSchema } from '@sconce/telemetry';
import { threadMemory } from './batches/dataset-limits.ts';
import { memoryShares, readConfig } from './config.ts';

const config = readConfig({});
const { s3 } = config;

/** The value that each setting has when the environment is empty. The compiler asks for a line per setting. */
const EFFECTIVE: Record<keyof Settings<'worker'>, unknown> = {
  SCONCE_HOST: config.host,
  SCONCE_METRICS_PORT: config.metricsPort,
  SCONCE_REDIS_URL: config.queue.redisUrl,
  SCONCE_KEY_PREFIX: config.queue.keyPrefix,
  SCONCE_DATA: config.storage.root,
  SCONCE_DATASET_ROOTS: config.datasetRoots,
  SCONCE_MAX_UNPACKED_BYTES: config.datasets.maxUnpackedBytes,
  SCONCE_MAX_UNPACK_RATIO: config.datasets.maxUnpackRatio,
  SCONCE_DATASET_TASK_MS: config.datasets.taskMs,
  SCONCE_DATASET_THREAD_MEMORY_BYTES: config.datasets.memoryBytes,
  SCONCE_S3_ENDPOINT: s3.endpoint,
  SCONCE_S3_REGION: s3.region,
  SCONCE_S3_FORCE_PATH_STYLE: s3.forcePathStyle,
  SCONCE_S3_ACCESS_KEY_ID: s3.accessKeyId,
  SCONCE_S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
  SCONCE_S3_CACHE: s3.cacheFolder,
  SCONCE_S3_CACHE_BYTES: s3.cacheBytes,
  SCONCE_LOG_LEVEL: config.telemetry.logLevel,
  SCONCE_TRACES_PER_SECOND: config.telemetry.traces.maxPerSecond,
  SCONCE_WEBHOOK_ALLOW_PRIVATE: config.webhooks.allowPrivate,
  SCONCE_BATCH_TTL_SECONDS: config.queue.batchTtlSeconds,
  SCONCE_LOST_JOB_SECONDS: config.queue.lostJobSeconds,
  SCONCE_RESULT_TTL_SECONDS: config.queue.resultTtlSeconds,
  SCONCE_MAX_STORED_BYTES: config.queue.maxStoredBytes,
  SCONCE_MAX_STORED_BYTES_PER_OWNER: config.queue.maxStoredBytesPerOwner,
  SCONCE_SHUTDOWN_GRACE_MS: config.shutdownGraceMs,
  SCONCE_MAX_JSON_VALUES: config.budget.json_values,
  SCONCE_MAX_ELEMENTS: config.budget.elements,
  SCONCE_MAX_OUTPUT_BYTES: config.budget.output_bytes,
  SCONCE_MAX_RUN_MEMORY_BYTES: config.budget.run_memory_bytes,
  SCONCE_POOL: config.pool,
  SCONCE_THREADS: config.runtime.threads,
  SCONCE_INTRA_OP_THREADS: config.runtime.intraOpThreads,
  SCONCE_MAX_BATCH_ROWS: config.runtime.maxBatchRows,
  SCONCE_MAX_RUN_MS: config.runtime.maxRunMs,
  SCONCE_MAX_MODELS_PER_THREAD: config.runtime.maxModelsPerThread,
  SCONCE_MAX_MODEL_BYTES_PER_THREAD: config.runtime.maxModelBytesPerThread,
  SCONCE_ONLINE_CONCURRENCY: config.concurrency.online,
  SCONCE_BATCH_CONCURRENCY: config.concurrency.batch,
  SCONCE_REGISTRATION_MEMORY_BYTES: config.registration.memoryBytes,
  SCONCE_REGISTRATION_TIMEOUT_MS: config.registration.timeoutMs,
  SCONCE_POD_NAME: config.pod?.name,
  SCONCE_POD_NAMESPACE: config.pod?.namespace,
};

const limits = machineLimits();
const threads = threadsFor(limits);
const shares = memoryShares({ threads, memoryBytes: limits.memoryBytes });

/** Defaults that depend on the machine. */
const DERIVED: Readonly<Record<string, number>> = {
  SCONCE_MAX_RUN_MEMORY_BYTES: runMemoryFor(limits, threads),
  SCONCE_THREADS: threads,
  SCONCE_DATASET_THREAD_MEMORY_BYTES: threadMemory(limits.memoryBytes),
  SCONCE_MAX_MODEL_BYTES_PER_THREAD: shares.maxModelBytesPerThread,
  SCONCE_ONLINE_CONCURRENCY: 4 * threads,
  SCONCE_BATCH_CONCURRENCY: 4 * threads,
  SCONCE_REGISTRATION_MEMORY_BYTES: shares.registrationBytes,
};

it.each(Object.entries(EFFECTIVE))('%s has the default that the documentation prints', (name, value) => {
  const { default: printed, whenUnset } = (SETTINGS as Readonly<Record<string, Setting>>)[name] ?? {};
  expect(value).toEqual(printed ?? DERIVED[name]);
  if (name in DERIVED) expect(whenUnset).toBeDefined();
});

it('has the same defaults as a service that uses the libraries without the settings', () => {
  expect(config.queue).toEqual(queueConfigSchema.parse({}));
  expect(config.telemetry).toEqual(telemetryConfigSchema.parse({}));
  const { threads: own, maxModelBytesPerThread, modelBudgetFrom } = config.runtime;
  expect(config.runtime).toEqual(runtimeConfigSchema.parse({ threads: own, maxModelBytesPerThread, modelBudgetFrom }));
});
