import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { BUDGET_SETTINGS, toSconceError } from '@sconce/errors';
import { exitOnBadSettings } from '@sconce/process';
import { exposeCollector, finishStart, releaseWhenIdle, tuneHeap } from '@sconce/process/memory';
import { withTimeout } from '@sconce/process/time';
import { InferencePool, MicroBatcher, SacrificialRunner, SuspectQueue } from '@sconce/runtime';
import {
  GuardedRuns,
  InferenceProcessor,
  KeptModels,
  LocalModels,
  LocalRunner,
  LocalStatistics,
  RunStatistics,
  findModelFiles,
} from '@sconce/serving';
import { HealthServer, createLogger, startTelemetry } from '@sconce/telemetry';
import { VERSION } from '../version.ts';
import { readServeConfig } from './config.ts';

/** Bytes of inputs that wait for an answer, as in the API. */
const MAX_OUTSTANDING_BYTES = 256 * 1024 ** 2;
/** Exit code for wrong arguments. */
const EX_USAGE = 2;

// A larger number makes the process larger and not faster (measured).
tuneHeap(25);
// This thread's young generation has its size by now. While the flag has a value, threads get the same size, whatever their own limits are.
setFlagsFromString('--max-semi-space-size=0');
exposeCollector();

const [first, ...others] = process.argv.slice(2);
const asJson = first === '--json';
const files = asJson || first === undefined ? others : [first, ...others];
const entries = exitOnBadSettings(() => findModelFiles(files), EX_USAGE);
const config = exitOnBadSettings(() => readServeConfig());
// The modules of the server are read while the thread starts and loads the models.
const pool = new InferencePool(config.runtime);
const serverModule = import('./serve-server.ts');
// Its failure is seen where it is awaited.
serverModule.catch(() => undefined);
const logger = createLogger({ service: 'serve', level: config.telemetry.logLevel });
const telemetry = await startTelemetry({
  service: config.telemetry.service ?? 'sconce-serve',
  version: VERSION,
  instanceId: randomUUID(),
  traces: config.telemetry.traces,
  logger,
});
const kept = new KeptModels({
  release: VERSION,
  cache: config.cache,
  limits: config.registration,
  logger,
  onProgress: ({ name, version }, stage) => {
    if (stage === 'compile') logger.info({ model: name, version }, 'the model is compiled and proved');
    else logger.info({ model: name, version, stage: stage.name, ms: stage.endMs - stage.startMs }, 'a stage has ended');
  },
});
const models = new LocalModels({
  kept,
  pool,
  runtime: config.runtime,
  budget: config.budget,
  limits: config.registration,
  logger,
});
const totals = new LocalStatistics();
const statistics = new RunStatistics({ telemetry, totals });
const batcher = new MicroBatcher(pool, {
  maxWaiting: config.runtime.maxWaiting,
  onRun: (run) => statistics.recordRun(run),
});
statistics.watch(batcher, pool.threads);
// Its process starts with the first suspect.
const sacrificial = new SacrificialRunner({
  config: config.runtime,
  memory: { limit: config.budget.run_memory_bytes ?? Infinity, setting: BUDGET_SETTINGS.run_memory_bytes },
  verify: (file) => pool.verify(file),
  onEnd: (model, cause) => statistics.recordSacrifice(model, cause),
});
const { maxWaiting } = config.runtime;
const runs = new GuardedRuns({
  batcher,
  alone: new SuspectQueue({
    runner: sacrificial,
    maxWaiting,
    onRun: (run) => {
      statistics.recordRun(run);
      batcher.learn(run);
    },
  }),
  onAlone: (model, outcome) => statistics.recordAlone(model, outcome),
  logger,
});
const runner = new LocalRunner({
  processor: new InferenceProcessor({ models: models.served, runs, statistics, telemetry, logger }),
  maxOutstanding: config.maxOutstanding,
  maxOutstandingBytes: MAX_OUTSTANDING_BYTES,
});
telemetry.metrics.outstandingRequests.observe(() => [{ value: runner.outstanding, labels: {} }]);

let stopping: Promise<void> | undefined;
let isListening = false;
const isDraining = (): boolean => stopping !== undefined;

/**
 * Ends the process. While a thread is inside a native run, `process.exit` would wait for that run and then abort (measured). `execve`
 * replaces the process by another program, which ends all threads at once.
 */
function endProcess(exitCode: number, threadsAreIdle: boolean): never {
  logger.flush();
  if (!threadsAreIdle && process.execve !== undefined) {
    process.execve(process.execPath, [process.execPath, '--eval', `process.exit(${exitCode})`]);
  }
  process.exit(exitCode);
}

async function stop(reason: string, exitCode = 0): Promise<void> {
  logger.info({ reason }, 'draining');
  kept.stop();
  if (!isListening) endProcess(0, false);
  await delay(config.drainDelayMs);
  const closing = Promise.all([server.close(), grpc?.close(config.shutdownGraceMs)]);
  const drained = await runner.close(config.shutdownGraceMs);
  await withTimeout(Promise.all([closing, health?.close()]), drained ? config.shutdownGraceMs : 1_000);
  await sacrificial.close();
  if (drained) await pool.close();
  await telemetry.shutdown();
  logger.info({ drained }, 'stopped');
  endProcess(exitCode, drained && !pool.isStuck);
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => (stopping ??= stop(signal)));
// A process that was started over an IPC channel ends with its parent.
process.on('disconnect', () => (stopping ??= stop('the parent process has ended')));
void pool.hung.then(({ file: { model, version }, runMs, isAbandoned }) => {
  logger.error({ model, version, runMs: Math.round(runMs) }, 'a run does not end: this process ends');
  // Other threads answer what it has.
  if (isAbandoned === true) stopping ??= stop('a run does not end', 1);
  else endProcess(isDraining() ? 0 : 1, false);
});

const loaded: object[] = [];
try {
  for (const entry of entries) {
    const { manifest, isNew } = await models.add(entry);
    const { name, version, batch } = manifest;
    loaded.push({ name, version, path: entry.path, compiled: isNew });
    logger.info({ model: name, version, path: entry.path, compiled: isNew, batch: batch?.axis }, 'the model is loaded');
  }
} catch (error) {
  if (!isDraining()) {
    process.stderr.write(`error: ${toSconceError(error).message}\n`);
    endProcess(1, false);
  }
  await stopping;
}
const { createServeServer } = await serverModule;
const serverOptions = { config, models, runner, statistics: totals, logger, telemetry, isDraining };
const server = await createServeServer(serverOptions);
const { serveGrpcPort } = await import('./serve-grpc-port.ts');
const grpc = config.grpc === undefined ? undefined : serveGrpcPort(server, serverOptions, config.grpc.tls);
const health =
  config.metricsPort === undefined ? undefined : new HealthServer({ telemetry, ready: () => !isDraining() });
let metricsUrl: string | undefined;
let grpcPort: number | undefined;
try {
  await server.listen({ host: config.host, port: config.port });
  grpcPort = await grpc?.listen({ host: config.host, port: config.grpc?.port ?? 0 });
  metricsUrl = await health?.listen(config.host, config.metricsPort ?? 0);
} catch (error) {
  process.stderr.write(
    `error: ${(error as Error).message}. Choose another port with --port, --grpc-port or --metrics-port (0: any free port).\n`,
  );
  endProcess(1, false);
}
isListening = true;
const { port } = server.server.address() as AddressInfo;
const host = config.host.includes(':') ? `[${config.host}]` : config.host;
const url = `http://${host}:${port}`;
const grpcUrl = grpcPort === undefined ? undefined : `${host}:${grpcPort}`;
logger.info({ url, grpcUrl, models: entries.length, threads: pool.threads }, 'listening');
const ready = { ready: true, url, grpc_url: grpcUrl, metrics_url: metricsUrl, models: loaded };
process.stdout.write(asJson ? `${JSON.stringify(ready)}\n` : `ready ${url}\n`);
process.send?.({ type: 'ready', url });
finishStart();
releaseWhenIdle();
