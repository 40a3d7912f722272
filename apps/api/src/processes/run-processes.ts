import type { IncomingMessage, ServerResponse } from 'node:http';
import { CONTENT_TYPES, HealthServer, createLogger, formatFor, mergeExpositions } from '@sconce/telemetry';
import { childEnvironment, type ApiConfig } from '../config.ts';
import { ApiProcesses } from './api-processes.ts';
import { askLocal } from './local-http.ts';

const READY_MS = 60_000;
/** Beyond the time that a process needs to drain. */
const STOP_MARGIN_MS = 10_000;

/**
 * Runs several API processes on one port, until a signal ends them. This process answers no requests: it has the metrics and health port
 * for all of them.
 */
export async function runProcesses(config: ApiConfig): Promise<void> {
  const logger = createLogger({ service: 'api', level: config.telemetry.logLevel });
  let stopping: Promise<void> | undefined;
  const health = new HealthServer({
    telemetry: { handleMetricsRequest: (request, response) => answerMetrics(processes, request, response) },
    ready: async () => stopping === undefined && (await isOneReady(processes)),
    backlog: (pool) => readBacklog(processes, pool),
  });
  const metricsUrl = await health.listen(config.host, config.metricsPort);
  const processes = new ApiProcesses({
    count: config.processes,
    port: config.port,
    modulePath: process.argv[1] ?? '',
    args: [metricsUrl],
    environment: (port) => childEnvironment(port, config),
    readyTimeoutMs: READY_MS,
    stopTimeoutMs: config.drainDelayMs + config.shutdownGraceMs + STOP_MARGIN_MS,
    logger,
    onGaveUp: (error) => {
      logger.fatal({ err: error }, 'an API process died too often');
      stopping ??= stop('a process died too often', 1);
    },
  });

  async function stop(reason: string, exitCode = 0): Promise<void> {
    logger.info({ reason }, 'draining');
    const endedWell = await processes.stop();
    await health.close();
    process.exit(endedWell ? exitCode : 1);
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => (stopping ??= stop(signal)));
  process.on('disconnect', () => (stopping ??= stop('parent is gone')));

  try {
    const url = await processes.start();
    logger.info({ url, metricsUrl, pids: processes.pids }, 'listening');
    const grpcUrl = config.grpc === undefined ? undefined : `${config.host}:${config.grpc.port}`;
    process.send?.({ type: 'ready', url, grpcUrl, metricsUrl });
  } catch (error) {
    if (stopping !== undefined) return;
    logger.fatal({ err: error }, 'an API process did not start');
    stopping = stop('a process did not start', 1);
  }
}

/** Answers a scrape with the metrics of all processes. The samples of a process have its number as the label `process`. */
async function answerMetrics(
  processes: ApiProcesses,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const format = formatFor(request.headers.accept);
  const accept = CONTENT_TYPES[format];
  const texts = await Promise.allSettled(
    processes.metricsUrls.map(async ({ process, url }) => ({
      process,
      text: (await askLocal(`${url}/metrics`, { accept })).body,
    })),
  );
  // A process that has just died has no metrics.
  const expositions = texts.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  response.writeHead(200, { 'content-type': accept, vary: 'accept' }).end(mergeExpositions(expositions));
}

/** Whether requests can be accepted: connections go to the processes that are there. */
async function isOneReady(processes: ApiProcesses): Promise<boolean> {
  const answers = processes.metricsUrls.map(async ({ url }) => (await askLocal(`${url}/health/ready`)).status === 200);
  return (await Promise.allSettled(answers)).some((answer) => answer.status === 'fulfilled' && answer.value);
}

/** The backlog of a pool, which is the same at all processes. */
async function readBacklog(processes: ApiProcesses, pool: string): Promise<object | undefined> {
  const [first] = processes.metricsUrls;
  if (first === undefined) throw new Error('No API process is ready.');
  const { status, body } = await askLocal(`${first.url}/backlog/${encodeURIComponent(pool)}`);
  if (status === 404) return undefined;
  if (status !== 200) throw new Error((JSON.parse(body) as { error: string }).error);
  return JSON.parse(body) as object;
}
