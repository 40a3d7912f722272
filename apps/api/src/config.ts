import { SconceError } from '@sconce/errors';
import { readSettings, type Settings } from '@sconce/process';
import { queueConfigSchema, type QueueConfig } from '@sconce/queue';
import { storageFromSettings, type StorageConfig } from '@sconce/storage';
import { telemetryConfigFromEnv, type TelemetryConfig } from '@sconce/telemetry';

/** The API's settings, read from the environment once. */
export interface ApiConfig {
  readonly host: string;
  readonly port: number;
  readonly metricsPort: number;
  /** The file of API keys; undefined if callers need no key. */
  readonly keysFile: string | undefined;
  readonly maxBodyBytes: number;
  readonly maxArtifactBytes: number;
  readonly maxFileBytes: number;
  readonly webhookAllowPrivate: boolean;
  /** Folders and buckets from which datasets may be read without an upload. */
  readonly datasetRoots: readonly string[];
  readonly requestTimeoutMs: number;
  readonly shutdownGraceMs: number;
  /** Time between reporting not ready and refusing connections. */
  readonly drainDelayMs: number;
  readonly storage: StorageConfig;
  readonly queue: QueueConfig;
  readonly telemetry: TelemetryConfig;
  /** Address of the trace backend, without a slash at the end. */
  readonly traceUrl: string | undefined;
}

/** Reads and checks the environment. @throws SconceError `invalid_request` that names every variable that is not valid, and why. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): ApiConfig {
  const vars = readSettings('api', env);
  return Object.freeze({
    host: vars.SCONCE_HOST,
    port: vars.SCONCE_PORT,
    metricsPort: vars.SCONCE_METRICS_PORT,
    keysFile: keysFileOf(vars),
    maxBodyBytes: vars.SCONCE_MAX_BODY_BYTES,
    maxArtifactBytes: vars.SCONCE_MAX_ARTIFACT_BYTES,
    maxFileBytes: vars.SCONCE_MAX_FILE_BYTES,
    webhookAllowPrivate: vars.SCONCE_WEBHOOK_ALLOW_PRIVATE,
    datasetRoots: vars.SCONCE_DATASET_ROOTS,
    requestTimeoutMs: vars.SCONCE_REQUEST_TIMEOUT_MS,
    shutdownGraceMs: vars.SCONCE_SHUTDOWN_GRACE_MS,
    drainDelayMs: vars.SCONCE_DRAIN_DELAY_MS,
    storage: storageFromSettings(vars).storage,
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
    traceUrl: vars.SCONCE_TRACE_URL?.replace(/\/+$/, ''),
  });
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/;

/** Everyone who can reach the port can use the API. If other machines can reach it, the operator must decide about keys. */
function keysFileOf({ SCONCE_AUTH, SCONCE_KEYS_FILE, SCONCE_HOST }: Settings<'api'>): string | undefined {
  const refuse = (param: string, message: string): SconceError =>
    new SconceError('invalid_request', message, { details: { param } });
  if (SCONCE_AUTH === 'off') return undefined;
  if (SCONCE_KEYS_FILE !== undefined) return SCONCE_KEYS_FILE;
  if (SCONCE_AUTH === 'keys') {
    throw refuse(
      'SCONCE_KEYS_FILE',
      'SCONCE_KEYS_FILE: SCONCE_AUTH=keys requires it. Create keys with `sconce keys create`.',
    );
  }
  if (LOOPBACK.test(SCONCE_HOST)) return undefined;
  throw refuse(
    'SCONCE_HOST',
    `SCONCE_HOST: ${SCONCE_HOST} is no loopback address, and callers need no key. Set SCONCE_KEYS_FILE, or SCONCE_AUTH=off if a proxy in front of the API checks callers.`,
  );
}
