import { expect, it } from 'vitest';
import { SETTINGS, heldBytesFor, machineLimits, type Setting, type Settings } from '@sconce/process';
import { queueConfigSchema } from '@sconce/queue';
import { telemetryConfigSchema } from '@sconce/telemetry';
import { childEnvironment, readConfig } from './config.ts';

const config = readConfig({});
const s3Config = readConfig({ SCONCE_DATA: 's3://bucket' });

/** The value that each setting has when the environment is empty. The compiler asks for a line per setting. */
const EFFECTIVE: Record<keyof Settings<'api'>, unknown> = {
  SCONCE_HOST: config.host,
  SCONCE_PORT: config.port,
  SCONCE_API_PROCESSES: config.processes,
  SCONCE_METRICS_PORT: config.metricsPort,
  SCONCE_GRPC_PORT: config.grpc,
  SCONCE_GRPC_TLS_CERT: config.grpc,
  SCONCE_GRPC_TLS_KEY: config.grpc,
  SCONCE_GRPC_TLS_CLIENT_CA: config.grpc,
  SCONCE_KEYS_FILE: config.keysFile,
  SCONCE_AUTH: config.keysFile,
  SCONCE_REDIS_REPLICAS: config.queue.minReplicas,
  SCONCE_REDIS_URL: config.queue.redisUrl,
  SCONCE_KEY_PREFIX: config.queue.keyPrefix,
  SCONCE_DATA: config.storage.root,
  SCONCE_DATASET_ROOTS: config.datasetRoots,
  SCONCE_S3_ENDPOINT: s3Config.storage.endpoint,
  SCONCE_S3_REGION: s3Config.storage.region,
  SCONCE_S3_FORCE_PATH_STYLE: s3Config.storage.forcePathStyle,
  SCONCE_S3_ACCESS_KEY_ID: s3Config.storage.accessKeyId,
  SCONCE_S3_SECRET_ACCESS_KEY: s3Config.storage.secretAccessKey,
  SCONCE_S3_CACHE: s3Config.storage.cacheFolder,
  SCONCE_S3_CACHE_BYTES: s3Config.storage.cacheBytes,
  SCONCE_LOG_LEVEL: config.telemetry.logLevel,
  SCONCE_TRACES_PER_SECOND: config.telemetry.traces.maxPerSecond,
  SCONCE_CORS_ORIGINS: config.corsOrigins,
  SCONCE_TRACE_URL: config.traceUrl,
  SCONCE_WEBHOOK_ALLOW_PRIVATE: config.webhookAllowPrivate,
  SCONCE_BATCH_TTL_SECONDS: config.queue.batchTtlSeconds,
  SCONCE_RESULT_TTL_SECONDS: config.queue.resultTtlSeconds,
  SCONCE_MAX_STORED_BYTES: config.queue.maxStoredBytes,
  SCONCE_MAX_STORED_BYTES_PER_OWNER: config.queue.maxStoredBytesPerOwner,
  SCONCE_MAX_QUEUED_BYTES_PER_OWNER: config.queue.maxQueuedBytesPerOwner,
  SCONCE_SHUTDOWN_GRACE_MS: config.shutdownGraceMs,
  SCONCE_DRAIN_DELAY_MS: config.drainDelayMs,
  SCONCE_MAX_BODY_BYTES: config.maxBodyBytes,
  // Without the setting it follows from the memory.
  SCONCE_MAX_HELD_BYTES: undefined,
  SCONCE_MAX_JSON_VALUES: config.budget.json_values,
  SCONCE_MAX_ELEMENTS: config.budget.elements,
  SCONCE_MAX_RUN_MEMORY_BYTES: config.budget.run_memory_bytes,
  SCONCE_MAX_FILE_BYTES: config.maxFileBytes,
  SCONCE_MAX_ARTIFACT_BYTES: config.maxArtifactBytes,
  SCONCE_MAX_BATCHES: config.queue.maxBatches,
  SCONCE_MAX_UNFINISHED_PER_OWNER: config.queue.maxUnfinishedPerOwner,
  SCONCE_MAX_EVENT_STREAMS_PER_OWNER: config.maxEventStreamsPerOwner,
  SCONCE_MAX_BACKLOG: config.queue.maxBacklog,
  SCONCE_MAX_OUTSTANDING: config.queue.maxOutstanding,
  SCONCE_REQUEST_TIMEOUT_MS: config.requestTimeoutMs,
  SCONCE_TRANSFER_TIMEOUT_MS: config.transferTimeoutMs,
  SCONCE_JOB_TTL_SECONDS: config.queue.jobTtlSeconds,
};

it.each(Object.entries(EFFECTIVE))('%s has the default that the documentation prints', (name, value) => {
  expect(value).toEqual((SETTINGS as Readonly<Record<string, Setting>>)[name]?.default);
});

it('shares the memory for held bytes among the processes', () => {
  const memory = machineLimits();
  expect(config.maxHeldBytes).toBe(heldBytesFor(memory, 1));
  const four = readConfig({ SCONCE_API_PROCESSES: '4' });
  expect(four.maxHeldBytes).toBe(heldBytesFor(memory, 4));
  expect(childEnvironment(1, four)['SCONCE_MAX_HELD_BYTES']).toBe(String(four.maxHeldBytes));
  expect(readConfig({ SCONCE_MAX_HELD_BYTES: '5', SCONCE_API_PROCESSES: '4' }).maxHeldBytes).toBe(5);
});

it('has the same defaults as a service that uses the libraries without the settings', () => {
  expect(config.queue).toEqual(queueConfigSchema.parse({}));
  expect(config.telemetry).toEqual(telemetryConfigSchema.parse({}));
});
