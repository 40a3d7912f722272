import { instanceBudget, type RequestBudget } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { heldBytesFor, machineLimits, readSettings } from '@sconce/process';
import { queueConfigSchema, type QueueConfig } from '@sconce/queue';
import { storageFromSettings, type StorageConfig } from '@sconce/storage';
import { telemetryConfigFromEnv, type TelemetryConfig } from '@sconce/telemetry';
import { keysFileOf } from './access/keys-file.ts';
import { grpcConfigOf, type GrpcConfig } from './grpc/grpc-config.ts';

/** The API's settings, read from the environment once. */
export interface ApiConfig {
  readonly host: string;
  readonly port: number;
  readonly metricsPort: number;
  /** Undefined: there is no gRPC. */
  readonly grpc: GrpcConfig | undefined;
  /** Processes that answer on the port. */
  readonly processes: number;
  /** The file of API keys; undefined if callers need no key. */
  readonly keysFile: string | undefined;
  readonly maxBodyBytes: number;
  /** Most bytes of large bodies and answers that this process holds. */
  readonly maxHeldBytes: number;
  /** The most that a request may need. */
  readonly budget: RequestBudget;
  readonly maxArtifactBytes: number;
  readonly maxFileBytes: number;
  /** Event streams that one owner has open at this process. */
  readonly maxEventStreamsPerOwner: number;
  readonly webhookAllowPrivate: boolean;
  /** Folders and buckets from which datasets may be read without an upload. */
  readonly datasetRoots: readonly string[];
  readonly requestTimeoutMs: number;
  /** Time in which a caller must send or take 16 KiB. */
  readonly transferTimeoutMs: number;
  readonly shutdownGraceMs: number;
  /** Time between reporting not ready and refusing connections. */
  readonly drainDelayMs: number;
  readonly storage: StorageConfig;
  readonly queue: QueueConfig;
  readonly telemetry: TelemetryConfig;
  /** Address of the trace backend, without a slash at the end. */
  readonly traceUrl: string | undefined;
  /** Origins whose pages may call this server. */
  readonly corsOrigins: readonly string[];
}

/** Reads and checks the environment. @throws SconceError `invalid_request` that names every variable that is not valid, and why. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): ApiConfig {
  const vars = readSettings('api', env);
  if (vars.SCONCE_GRPC_PORT === 0 && vars.SCONCE_API_PROCESSES > 1) {
    throw new SconceError(
      'invalid_request',
      'SCONCE_GRPC_PORT: 0 gives each API process a port of its own. Set a number, or SCONCE_API_PROCESSES=1.',
      { details: { param: 'SCONCE_GRPC_PORT' } },
    );
  }
  return Object.freeze({
    host: vars.SCONCE_HOST,
    port: vars.SCONCE_PORT,
    metricsPort: vars.SCONCE_METRICS_PORT,
    grpc: grpcConfigOf(vars),
    processes: vars.SCONCE_API_PROCESSES,
    keysFile: keysFileOf(vars),
    maxBodyBytes: vars.SCONCE_MAX_BODY_BYTES,
    maxHeldBytes: vars.SCONCE_MAX_HELD_BYTES ?? heldBytesFor(machineLimits(), vars.SCONCE_API_PROCESSES),
    budget: instanceBudget(vars),
    maxArtifactBytes: vars.SCONCE_MAX_ARTIFACT_BYTES,
    maxFileBytes: vars.SCONCE_MAX_FILE_BYTES,
    maxEventStreamsPerOwner: vars.SCONCE_MAX_EVENT_STREAMS_PER_OWNER,
    webhookAllowPrivate: vars.SCONCE_WEBHOOK_ALLOW_PRIVATE,
    datasetRoots: vars.SCONCE_DATASET_ROOTS,
    requestTimeoutMs: vars.SCONCE_REQUEST_TIMEOUT_MS,
    transferTimeoutMs: vars.SCONCE_TRANSFER_TIMEOUT_MS,
    shutdownGraceMs: vars.SCONCE_SHUTDOWN_GRACE_MS,
    drainDelayMs: vars.SCONCE_DRAIN_DELAY_MS,
    storage: storageFromSettings(vars).storage,
    queue: queueConfigSchema.parse({
      redisUrl: vars.SCONCE_REDIS_URL,
      minReplicas: vars.SCONCE_REDIS_REPLICAS,
      keyPrefix: vars.SCONCE_KEY_PREFIX,
      maxBacklog: vars.SCONCE_MAX_BACKLOG,
      maxBatches: vars.SCONCE_MAX_BATCHES,
      maxUnfinishedPerOwner: vars.SCONCE_MAX_UNFINISHED_PER_OWNER,
      batchTtlSeconds: vars.SCONCE_BATCH_TTL_SECONDS,
      maxStoredBytes: vars.SCONCE_MAX_STORED_BYTES,
      maxStoredBytesPerOwner: vars.SCONCE_MAX_STORED_BYTES_PER_OWNER,
      maxQueuedBytesPerOwner: vars.SCONCE_MAX_QUEUED_BYTES_PER_OWNER,
      maxOutstanding: vars.SCONCE_MAX_OUTSTANDING,
      jobTtlSeconds: vars.SCONCE_JOB_TTL_SECONDS,
      resultTtlSeconds: vars.SCONCE_RESULT_TTL_SECONDS,
    }),
    telemetry: telemetryConfigFromEnv(env),
    corsOrigins: vars.SCONCE_CORS_ORIGINS,
    traceUrl: vars.SCONCE_TRACE_URL?.replace(/\/+$/, ''),
  });
}

/**
 * The environment of one of several API processes on this port: the settings of this process, but a metrics port of its own and its share of
 * the memory.
 */
export function childEnvironment(port: number, { maxHeldBytes }: Pick<ApiConfig, 'maxHeldBytes'>): NodeJS.ProcessEnv {
  return {
    ...process.env,
    SCONCE_PORT: String(port),
    SCONCE_METRICS_PORT: '0',
    SCONCE_API_PROCESSES: '1',
    SCONCE_MAX_HELD_BYTES: String(maxHeldBytes),
  };
}
