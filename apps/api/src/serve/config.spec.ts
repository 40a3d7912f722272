import { expect, it } from 'vitest';
import {
  SETTINGS,
  heldBytesFor,
  machineLimits,
  runMemoryFor,
  threadsFor,
  type Setting,
  type Settings,
} from '@sconce/process';
import { readServeConfig } from './config.ts';

const config = readServeConfig({});

/** The value that each setting with a fixed default has when the environment is empty. The compiler asks for a line per setting. */
const EFFECTIVE: Record<keyof Settings<'serve'>, unknown> = {
  SCONCE_HOST: config.host,
  SCONCE_PORT: config.port,
  // The port is opened only if it is set.
  SCONCE_METRICS_PORT: readServeConfig({ SCONCE_METRICS_PORT: '8002' }).metricsPort,
  SCONCE_GRPC_PORT: config.grpc,
  SCONCE_GRPC_TLS_CERT: config.grpc,
  SCONCE_GRPC_TLS_KEY: config.grpc,
  SCONCE_GRPC_TLS_CLIENT_CA: config.grpc,
  SCONCE_KEYS_FILE: config.keysFile,
  SCONCE_AUTH: config.keysFile,
  SCONCE_LOG_LEVEL: config.telemetry.logLevel,
  SCONCE_TRACES_PER_SECOND: config.telemetry.traces.maxPerSecond,
  SCONCE_CORS_ORIGINS: config.corsOrigins,
  SCONCE_TRACE_URL: config.traceUrl,
  SCONCE_SHUTDOWN_GRACE_MS: config.shutdownGraceMs,
  SCONCE_DRAIN_DELAY_MS: config.drainDelayMs,
  SCONCE_MAX_BODY_BYTES: config.maxBodyBytes,
  // Without the setting it follows from the memory.
  SCONCE_MAX_HELD_BYTES: undefined,
  SCONCE_MAX_JSON_VALUES: config.budget.json_values,
  SCONCE_MAX_ELEMENTS: config.budget.elements,
  SCONCE_MAX_OUTPUT_BYTES: config.budget.output_bytes,
  SCONCE_MAX_RUN_MEMORY_BYTES: config.budget.run_memory_bytes,
  SCONCE_MAX_OUTSTANDING: config.maxOutstanding,
  SCONCE_REQUEST_TIMEOUT_MS: config.requestTimeoutMs,
  SCONCE_TRANSFER_TIMEOUT_MS: config.transferTimeoutMs,
  SCONCE_THREADS: undefined,
  SCONCE_INTRA_OP_THREADS: config.runtime.intraOpThreads,
  SCONCE_MAX_BATCH_ROWS: config.runtime.maxBatchRows,
  SCONCE_MAX_RUN_MS: config.runtime.maxRunMs,
  SCONCE_MAX_MODELS_PER_THREAD: config.runtime.maxModelsPerThread,
  SCONCE_MAX_MODEL_BYTES_PER_THREAD: undefined,
  SCONCE_REGISTRATION_MEMORY_BYTES: undefined,
  SCONCE_REGISTRATION_TIMEOUT_MS: config.registration.timeoutMs,
  SCONCE_SERVE_CACHE: config.cache,
};

it.each(Object.entries(EFFECTIVE))('%s has the default that the documentation prints', (name, value) => {
  const limits = machineLimits();
  const derived = name === 'SCONCE_MAX_RUN_MEMORY_BYTES' ? runMemoryFor(limits, threadsFor(limits)) : undefined;
  expect(value).toEqual((SETTINGS as Readonly<Record<string, Setting>>)[name]?.default ?? derived);
});

it('holds for requests what two API processes would hold together in half of the memory', () => {
  expect(config.maxHeldBytes).toBe(heldBytesFor(machineLimits(), 2));
  expect(readServeConfig({ SCONCE_MAX_HELD_BYTES: '5' }).maxHeldBytes).toBe(5);
});

it('takes what is set, and opens the port for metrics only then', () => {
  expect(config.metricsPort).toBeUndefined();
  const given = readServeConfig({
    SCONCE_METRICS_PORT: '0',
    SCONCE_SERVE_CACHE: '/cache',
    SCONCE_THREADS: '3',
    SCONCE_MAX_MODEL_BYTES_PER_THREAD: '1000',
    SCONCE_REGISTRATION_MEMORY_BYTES: '2000',
  });
  expect(given).toMatchObject({ metricsPort: 0, cache: '/cache', registration: { memoryBytes: 2_000 } });
  expect(given.runtime).toMatchObject({ threads: 3, maxModelBytesPerThread: 1_000 });
  expect(given.runtime.modelBudgetFrom).toBeUndefined();
});

it('needs keys to listen for other machines', () => {
  expect(() => readServeConfig({ SCONCE_HOST: '0.0.0.0' })).toThrow(/SCONCE_HOST: 0\.0\.0\.0 is no loopback/);
  expect(readServeConfig({ SCONCE_HOST: '0.0.0.0', SCONCE_KEYS_FILE: '/keys' }).keysFile).toBe('/keys');
});
