import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { NestFactory } from '@nestjs/core';
import { exitOnBadSettings } from '@sconce/process';
import { exposeCollector, finishStart, releaseWhenIdle, tuneHeap } from '@sconce/process/memory';
import { HealthServer, createLogger, startTelemetry } from '@sconce/telemetry';
import { readConfig } from './config.ts';
import { VERSION } from './version.ts';
import { WorkerModule } from './worker.module.ts';
import { WorkerService } from './worker.service.ts';

tuneHeap(100);
// This thread's young generation has its size by now. While the flag has a value, threads get the same size, whatever their own limits are.
setFlagsFromString('--max-semi-space-size=0');
exposeCollector();

const config = exitOnBadSettings(() => readConfig());
const logger = createLogger({ service: 'worker', level: config.telemetry.logLevel });
const telemetry = await startTelemetry({
  service: config.telemetry.service ?? 'sconce-worker',
  version: VERSION,
  instanceId: randomUUID(),
  traces: config.telemetry.traces,
  logger,
});
const app = await NestFactory.createApplicationContext(WorkerModule.register({ config, logger, telemetry }), {
  logger: ['error', 'fatal'],
});
const worker = app.get(WorkerService);
const health = new HealthServer({ telemetry, ready: () => worker.ready });

let stopping: Promise<void> | undefined;
async function stop(reason: string): Promise<void> {
  logger.info({ reason }, 'draining');
  const drained = await worker.stop();
  await health.close();
  await telemetry.shutdown();
  await app.close();
  logger.info({ drained }, 'stopped');
  logger.flush();
  endProcess(drained);
}

function isStopping(): boolean {
  return stopping !== undefined;
}

/**
 * Ends the process, also if a library has left a handle open.
 *
 * While a thread is inside a native run, `process.exit` would wait for that run and then abort (measured). `execve` replaces the process
 * by another program, which ends all threads at once. Their work is delivered to another worker.
 */
function endProcess(drained: boolean, exitCode = 0): never {
  if (!drained && process.execve !== undefined) {
    process.execve(process.execPath, [process.execPath, '--eval', `process.exit(${exitCode})`]);
  }
  process.exit(exitCode);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => (stopping ??= stop(signal)));
// A worker that was started over an IPC channel ends with its parent.
process.on('disconnect', () => (stopping ??= stop('the parent process has ended')));

const metricsUrl = await health.listen(config.host, config.metricsPort);
await worker.start().catch((error: unknown) => {
  // A worker that is stopped while it waits for Redis closes its connections. That is not a failed start.
  if (!isStopping()) throw error;
});
void worker.hung().then(() => {
  logger.flush();
  // If it was told to stop, it exits with 0: its jobs are back in the queue.
  endProcess(false, isStopping() ? 0 : 1);
});
finishStart();
releaseWhenIdle();
logger.info({ pool: config.pool, threads: config.runtime.threads, metricsUrl }, 'taking jobs');
process.send?.({ type: 'ready', metricsUrl });
