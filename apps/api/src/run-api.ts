import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { finishStart, releaseWhenIdle, tuneHeap } from '@sconce/process/memory';
import { withTimeout } from '@sconce/process/time';
import { HealthServer, createLogger, startTelemetry } from '@sconce/telemetry';
import { BatchProducer, InferenceProducer } from '@sconce/queue';
import type { ApiConfig } from './config.ts';
import { apiGrpcPort } from './grpc/api-grpc-port.ts';
import { readBacklog } from './health/backlog.ts';
import { createApi } from './server.ts';
import { VERSION } from './version.ts';

/**
 * Runs the API in this process, until a signal ends it.
 * @param allMetricsUrl address of the metrics port of all processes, if this is one of several on the port.
 */
export async function runApi(config: ApiConfig, allMetricsUrl?: string): Promise<void> {
  tuneHeap(100);

  const logger = createLogger({ service: 'api', level: config.telemetry.logLevel });
  const telemetry = await startTelemetry({
    service: config.telemetry.service ?? 'sconce-api',
    version: VERSION,
    instanceId: randomUUID(),
    traces: config.telemetry.traces,
    logger,
  });
  let draining = false;
  const app = await createApi({ config, logger, telemetry, allMetricsUrl, isDraining: () => draining });
  const grpc = apiGrpcPort(app, { config, logger, telemetry, isDraining: () => draining });
  const producer = app.get(InferenceProducer);
  const batches = app.get(BatchProducer);
  const health = new HealthServer({
    telemetry,
    ready: async () => !draining && (await producer.ping()),
    backlog: (pool) => readBacklog(pool, { requests: producer, batches }),
  });

  let stopping: Promise<void> | undefined;
  async function stop(reason: string): Promise<void> {
    logger.info({ reason }, 'draining');
    draining = true;
    await delay(config.drainDelayMs);
    // Refuses new connections and waits for the requests in flight, which still need the producer.
    await withTimeout(Promise.all([app.close(), grpc?.close(config.shutdownGraceMs)]), config.shutdownGraceMs);
    await Promise.all([producer.close(), batches.close()]);
    await health.close();
    await telemetry.shutdown();
    logger.info('stopped');
    // Nothing is left to do. A handle that a library did not close must not keep the process alive.
    process.exit(0);
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => (stopping ??= stop(signal)));
  // If a parent process started the API with an IPC channel, the API ends with its parent.
  process.on('disconnect', () => (stopping ??= stop('parent is gone')));

  const isOneOfSeveral = allMetricsUrl !== undefined;
  const metricsUrl = await health.listen(isOneOfSeveral ? '127.0.0.1' : config.host, config.metricsPort);
  // With `reusePort` the kernel spreads connections over the processes that listen.
  const address = { port: config.port, host: config.host, reusePort: isOneOfSeveral };
  await app.listen(address);
  const { port } = app.getHttpServer().address() as { port: number };
  const url = `http://${config.host}:${port}`;
  const grpcPort = await grpc?.listen({ ...address, port: config.grpc?.port ?? 0 });
  const grpcUrl = grpcPort === undefined ? undefined : `${config.host}:${grpcPort}`;
  // Who is told that the API has started expects it to be ready. Without Redis it runs too, and says that it is not ready.
  await producer.firstAnswer();
  finishStart();
  releaseWhenIdle();
  logger.info({ url, grpcUrl, metricsUrl }, 'listening');
  process.send?.({ type: 'ready', url, grpcUrl, metricsUrl });
}
