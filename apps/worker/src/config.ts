import { instanceBudget, type Lane, type RequestBudget } from '@sconce/contracts';
import { machineLimits, readSettings, runMemoryFor, threadsFor } from '@sconce/process';
import { queueConfigSchema, type QueueConfig } from '@sconce/queue';
import { runtimeConfigSchema, type RuntimeConfig } from '@sconce/runtime';
import { storageFromSettings, type S3Settings, type StorageConfig } from '@sconce/storage';
import { telemetryConfigFromEnv, type TelemetryConfig } from '@sconce/telemetry';
import { DATASET_LIMITS, threadMemory, type DatasetLimits } from './batches/dataset-limits.ts';
import type { WebhookConfig } from './webhooks/webhook.processor.ts';

/** Memory of a worker without models and registrations, under a batch (measured: 410 MiB). */
const OWN_BYTES = 512 * 1024 ** 2;
/** A thread's share if there is enough memory. */
const MAX_MODEL_BYTES = 2 * 1024 ** 3;

/** Queue jobs in flight per thread: enough that no thread waits for the queue, and few enough that other workers get jobs. */
const JOBS_PER_THREAD = 4;

/** The worker's settings, read from the environment once. */
export interface WorkerConfig {
  readonly host: string;
  readonly metricsPort: number;
  readonly pool: string;
  /** This pod, if its deletion cost is to be kept current. */
  readonly pod: { readonly name: string; readonly namespace: string } | undefined;
  /** Most queue jobs in flight, per lane. */
  readonly concurrency: Readonly<Record<Lane, number>>;
  /** The most that a request may need. */
  readonly budget: RequestBudget;
  readonly shutdownGraceMs: number;
  /** The limits of a registration process. */
  readonly registration: { readonly memoryBytes: number; readonly timeoutMs: number };
  readonly webhooks: WebhookConfig;
  readonly storage: StorageConfig;
  /** Settings for buckets of datasets. */
  readonly s3: S3Settings;
  /** Folders and buckets from which datasets may be read in place. */
  readonly datasetRoots: readonly string[];
  readonly datasets: DatasetLimits;
  readonly runtime: RuntimeConfig;
  readonly queue: QueueConfig;
  readonly telemetry: TelemetryConfig;
}

/** Reads and checks the environment. @throws SconceError `invalid_request` with every variable that is wrong, and why. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): WorkerConfig {
  const vars = readSettings('worker', env);
  const limits = machineLimits();
  const threads = vars.SCONCE_THREADS ?? threadsFor(limits);
  const { registrationBytes, ...modelBudget } = memoryShares(
    { threads, memoryBytes: limits.memoryBytes },
    {
      registrationBytes: vars.SCONCE_REGISTRATION_MEMORY_BYTES,
      modelBytesPerThread: vars.SCONCE_MAX_MODEL_BYTES_PER_THREAD,
    },
  );
  const runtime = runtimeConfigSchema.parse({
    threads,
    intraOpThreads: vars.SCONCE_INTRA_OP_THREADS,
    maxBatchRows: vars.SCONCE_MAX_BATCH_ROWS,
    maxRunMs: vars.SCONCE_MAX_RUN_MS,
    maxModelsPerThread: vars.SCONCE_MAX_MODELS_PER_THREAD,
    ...modelBudget,
  });
  const jobs = JOBS_PER_THREAD * runtime.threads;
  return Object.freeze({
    host: vars.SCONCE_HOST,
    metricsPort: vars.SCONCE_METRICS_PORT,
    pool: vars.SCONCE_POOL,
    pod:
      vars.SCONCE_POD_NAME === undefined || vars.SCONCE_POD_NAMESPACE === undefined
        ? undefined
        : { name: vars.SCONCE_POD_NAME, namespace: vars.SCONCE_POD_NAMESPACE },
    concurrency: { online: vars.SCONCE_ONLINE_CONCURRENCY ?? jobs, batch: vars.SCONCE_BATCH_CONCURRENCY ?? jobs },
    budget: instanceBudget({
      ...vars,
      SCONCE_MAX_RUN_MEMORY_BYTES: vars.SCONCE_MAX_RUN_MEMORY_BYTES ?? runMemoryFor(limits, threads),
    }),
    shutdownGraceMs: vars.SCONCE_SHUTDOWN_GRACE_MS,
    registration: {
      memoryBytes: registrationBytes,
      timeoutMs: vars.SCONCE_REGISTRATION_TIMEOUT_MS,
    },
    webhooks: { allowPrivate: vars.SCONCE_WEBHOOK_ALLOW_PRIVATE },
    ...storageFromSettings(vars),
    datasetRoots: vars.SCONCE_DATASET_ROOTS,
    datasets: {
      ...DATASET_LIMITS,
      taskMs: vars.SCONCE_DATASET_TASK_MS,
      memoryBytes: vars.SCONCE_DATASET_THREAD_MEMORY_BYTES ?? threadMemory(limits.memoryBytes),
      maxUnpackedBytes: vars.SCONCE_MAX_UNPACKED_BYTES,
      maxUnpackRatio: vars.SCONCE_MAX_UNPACK_RATIO,
    },
    runtime,
    queue: queueConfigSchema.parse({
      redisUrl: vars.SCONCE_REDIS_URL,
      keyPrefix: vars.SCONCE_KEY_PREFIX,
      lostJobSeconds: vars.SCONCE_LOST_JOB_SECONDS,
      resultTtlSeconds: vars.SCONCE_RESULT_TTL_SECONDS,
      batchTtlSeconds: vars.SCONCE_BATCH_TTL_SECONDS,
      maxStoredBytes: vars.SCONCE_MAX_STORED_BYTES,
      maxStoredBytesPerOwner: vars.SCONCE_MAX_STORED_BYTES_PER_OWNER,
    }),
    telemetry: telemetryConfigFromEnv(env),
  });
}

/** Divides the memory of the machine or container between the worker, registrations and models. */
export function memoryShares(
  { threads, memoryBytes }: { readonly threads: number; readonly memoryBytes: number },
  given: { readonly registrationBytes?: number | undefined; readonly modelBytesPerThread?: number | undefined } = {},
): { readonly registrationBytes: number; readonly maxModelBytesPerThread: number; readonly modelBudgetFrom?: string } {
  const rest = Math.max(0, memoryBytes - OWN_BYTES);
  const registrationBytes = given.registrationBytes ?? Math.max(1, Math.floor(rest / 2));
  if (given.modelBytesPerThread !== undefined) {
    return { registrationBytes, maxModelBytesPerThread: given.modelBytesPerThread };
  }
  const share = Math.max(1, Math.floor((rest - registrationBytes) / threads));
  if (share >= MAX_MODEL_BYTES) return { registrationBytes, maxModelBytesPerThread: MAX_MODEL_BYTES };
  const mib = (bytes: number): string => `${Math.floor(bytes / 1024 ** 2)} MiB`;
  const taken = `${mib(OWN_BYTES)} of the worker’s own − ${mib(registrationBytes)} for registrations`;
  return {
    registrationBytes,
    maxModelBytesPerThread: share,
    modelBudgetFrom: `(${mib(memoryBytes)} of memory − ${taken}) / ${threads} threads = ${mib(share)}`,
  };
}
