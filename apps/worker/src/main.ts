import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { NestFactory } from '@nestjs/core';
import { exitOnBadSettings } from '@sconce/process';
import { exposeCollector, releaseStartupMemory, releaseWhenIdle } from '@sconce/process/memory';
import { HealthServer, createLogger, startTelemetry } from '@sconce/telemetry';
import { readConfig } from './config.ts';
import { VERSION } from './version.ts';
import { WorkerModule } from './worker.module.ts';
import { WorkerService } from './worker.service.ts';

// V8 counts the bytes of requests as growth of its heap, and by itself collects all of that for every 8 MB more of them: with inputs of
// 600 KB half of this process's time (measured). Now it waits until the heap has doubled.
setFlagsFromString('--heap-growing-percent=100');
// This thread's young generation has its size by now. As long as the flag holds, threads get the same, whatever their own limits say.
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
  leave(drained);
}

function isStopping(): boolean {
  return stopping !== undefined;
}

/**
 * Ends the process. Nothing is left to do; a handle that some library forgot must not keep it.
 *
 * While a thread is inside a native run, `process.exit` would wait for that run and then abort (measured). Becoming
 * another program ends all threads at once; the work they had is delivered to another worker.
 */
function leave(drained: boolean, exitCode = 0): never {
  if (!drained && process.execve !== undefined) {
    process.execve(process.execPath, [process.execPath, '--eval', `process.exit(${exitCode})`]);
  }
  process.exit(exitCode);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => (stopping ??= stop(signal)));
// Started over an IPC channel, a worker goes with its parent.
process.on('disconnect', () => (stopping ??= stop('parent is gone')));

const metricsUrl = await health.listen(config.host, config.metricsPort);
await worker.start().catch((error: unknown) => {
  // A worker that is told to stop while it waits for Redis gives up its connections: that is no failure to start.
  if (!isStopping()) throw error;
});
void worker.hung().then(() => {
  logger.flush();
  // Told to stop, it ends as told: what it had is back in the queue.
  leave(false, isStopping() ? 0 : 1);
});
releaseStartupMemory();
releaseWhenIdle();
logger.info({ pool: config.pool, threads: config.runtime.threads, metricsUrl }, 'taking jobs');
process.send?.({ type: 'ready', metricsUrl });
