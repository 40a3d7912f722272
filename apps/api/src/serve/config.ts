import { instanceBudget, type RequestBudget } from '@sconce/contracts';
import { heldBytesFor, machineLimits, readSettings, runMemoryFor, threadsFor } from '@sconce/process';
import { runtimeConfigSchema, type RuntimeConfig } from '@sconce/runtime';
import type { IsolationLimits } from '@sconce/serving';
import { telemetryConfigFromEnv, type TelemetryConfig } from '@sconce/telemetry';
import { keysFileOf } from '../access/keys-file.ts';
import { grpcConfigOf, type GrpcConfig } from '../grpc/grpc-config.ts';

const MIB = 1024 ** 2;
/** Memory of the process without models, under load (measured: 100 MiB). */
const OWN_BYTES = 128 * MIB;
/** It holds for requests as much as one of two API processes: the rest is for models. */
const SHARES = 2;
/** A thread's share if there is enough memory. */
const MAX_MODEL_BYTES = 2 * 1024 ** 3;

/** The settings of `sconce serve`, read from the environment once. */
export interface ServeConfig {
  readonly host: string;
  readonly port: number;
  /** Undefined: there is no port for metrics of its own. */
  readonly metricsPort: number | undefined;
  /** Undefined: there is no gRPC. */
  readonly grpc: GrpcConfig | undefined;
  /** The file of API keys; undefined if callers need no key. */
  readonly keysFile: string | undefined;
  readonly maxBodyBytes: number;
  /** Most bytes of large bodies and answers that the process holds. */
  readonly maxHeldBytes: number;
  /** The most that a request may need. */
  readonly budget: RequestBudget;
  readonly requestTimeoutMs: number;
  /** Time in which a caller must send or take 16 KiB. */
  readonly transferTimeoutMs: number;
  readonly maxOutstanding: number;
  readonly shutdownGraceMs: number;
  /** Time between reporting not ready and refusing connections. */
  readonly drainDelayMs: number;
  /** Address of the trace backend, without a slash at the end. */
  readonly traceUrl: string | undefined;
  /** Origins whose pages may call this server. */
  readonly corsOrigins: readonly string[];
  /** The folder of kept compilations; undefined: one beside each model file. */
  readonly cache: string | undefined;
  /** The limits of a compilation. */
  readonly registration: IsolationLimits;
  readonly runtime: RuntimeConfig;
  readonly telemetry: TelemetryConfig;
}

/** Reads and checks the environment. @throws SconceError `invalid_request` that names every variable that is not valid, and why. */
export function readServeConfig(env: NodeJS.ProcessEnv = process.env): ServeConfig {
  const vars = readSettings('serve', env);
  const limits = machineLimits();
  const threads = vars.SCONCE_THREADS ?? threadsFor(limits);
  const rest = Math.max(0, limits.memoryBytes - OWN_BYTES);
  return Object.freeze({
    host: vars.SCONCE_HOST,
    port: vars.SCONCE_PORT,
    metricsPort: (env['SCONCE_METRICS_PORT'] ?? '') === '' ? undefined : vars.SCONCE_METRICS_PORT,
    grpc: grpcConfigOf(vars),
    keysFile: keysFileOf(vars),
    maxBodyBytes: vars.SCONCE_MAX_BODY_BYTES,
    maxHeldBytes: vars.SCONCE_MAX_HELD_BYTES ?? heldBytesFor(limits, SHARES),
    budget: instanceBudget({
      ...vars,
      SCONCE_MAX_RUN_MEMORY_BYTES: vars.SCONCE_MAX_RUN_MEMORY_BYTES ?? runMemoryFor(limits, threads),
    }),
    requestTimeoutMs: vars.SCONCE_REQUEST_TIMEOUT_MS,
    transferTimeoutMs: vars.SCONCE_TRANSFER_TIMEOUT_MS,
    maxOutstanding: vars.SCONCE_MAX_OUTSTANDING,
    shutdownGraceMs: vars.SCONCE_SHUTDOWN_GRACE_MS,
    drainDelayMs: vars.SCONCE_DRAIN_DELAY_MS,
    corsOrigins: vars.SCONCE_CORS_ORIGINS,
    traceUrl: vars.SCONCE_TRACE_URL?.replace(/\/+$/, ''),
    cache: vars.SCONCE_SERVE_CACHE,
    registration: {
      memoryBytes: vars.SCONCE_REGISTRATION_MEMORY_BYTES ?? Math.max(1, Math.floor(rest / 2)),
      timeoutMs: vars.SCONCE_REGISTRATION_TIMEOUT_MS,
    },
    runtime: runtimeConfigSchema.parse({
      threads,
      intraOpThreads: vars.SCONCE_INTRA_OP_THREADS,
      maxBatchRows: vars.SCONCE_MAX_BATCH_ROWS,
      maxRunMs: vars.SCONCE_MAX_RUN_MS,
      maxModelsPerThread: vars.SCONCE_MAX_MODELS_PER_THREAD,
      ...modelBudget(vars.SCONCE_MAX_MODEL_BYTES_PER_THREAD, limits.memoryBytes, threads),
    }),
    telemetry: telemetryConfigFromEnv(env),
  });
}

/** The bytes of models that a thread may hold: as given, or a thread's share of the memory. Compilations end before models are served. */
function modelBudget(
  given: number | undefined,
  memoryBytes: number,
  threads: number,
): { readonly maxModelBytesPerThread: number; readonly modelBudgetFrom?: string } {
  if (given !== undefined) return { maxModelBytesPerThread: given };
  const share = Math.max(1, Math.floor((memoryBytes - OWN_BYTES) / threads));
  if (share >= MAX_MODEL_BYTES) return { maxModelBytesPerThread: MAX_MODEL_BYTES };
  const mib = (bytes: number): string => `${Math.floor(bytes / MIB)} MiB`;
  return {
    maxModelBytesPerThread: share,
    modelBudgetFrom: `(${mib(memoryBytes)} of memory − ${mib(OWN_BYTES)} of the process) / ${threads} threads = ${mib(share)}`,
  };
}
