import { Command } from 'commander';
import type { CliConfig } from '../config.ts';
import { integerOption } from '../output/options.ts';
import { Terminal } from '../output/terminal.ts';
import { startLocalStack, type LocalStack } from '../stack/local-stack.ts';
import { startLocalTraces } from '../stack/local-traces.ts';

interface UpOptions {
  readonly port: number;
  readonly grpcPort?: number;
  readonly data: string;
  readonly workers: number;
  readonly apis: number;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

const HTTP_PORT = 8000;
const GRPC_PORT = 8001;

/** `sconce up`: runs the local stack until it is stopped. */
export function upCommand(config: CliConfig): Command {
  return new Command('up')
    .description('run the whole system on this machine: a private Redis, the API and workers; Ctrl-C stops it')
    .option('--port <number>', 'HTTP port; 0: any free port', integerOption('--port', 0, 65_535), HTTP_PORT)
    .option(
      '--grpc-port <number>',
      'gRPC port; 0: any free port (default: 8001 with HTTP on 8000, else no gRPC)',
      integerOption('--grpc-port', 0, 65_535),
    )
    .option('--data <folder>', 'folder for models, queued work and logs', '.sconce')
    .option('--workers <number>', 'number of worker processes', integerOption('--workers', 1, 64), 1)
    .option('--apis <number>', 'number of API processes on the port', integerOption('--apis', 1, 64), 1)
    .option('--verbose', 'write the logs of the processes to stderr instead of DATA/logs')
    .option('--json', 'print one JSON object when ready')
    .addHelpText('after', '\nExamples:\n  sconce up\n  sconce up --port 0 --data /var/lib/sconce --workers 2')
    .action(async (options: UpOptions) => {
      await up(config, options);
    });
}

async function up(config: CliConfig, options: UpOptions): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const { promise: ended, resolve: end, reject: giveUp } = Promise.withResolvers<void>();
  // It may be rejected during the start, before anything awaits it.
  ended.catch(() => undefined);
  const kill = new AbortController();
  let isStopping = false;
  const onSignal = (): void => {
    if (isStopping) {
      kill.abort();
      process.exit(1);
    }
    isStopping = true;
    terminal.note('finishing the work in flight; press Ctrl-C again to stop at once');
    end();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  const traces = await startLocalTraces(config.inherited);
  const stack = await startLocalStack({
    config,
    env: traces.env,
    port: options.port,
    grpcPort: options.grpcPort ?? (options.port === HTTP_PORT ? GRPC_PORT : undefined),
    data: options.data,
    workers: options.workers,
    apis: options.apis,
    verbose: options.verbose === true,
    killSignal: kill.signal,
    onEvent: (text) => {
      process.stderr.write(`${text}\n`);
    },
    onGaveUp: giveUp,
  }).catch(async (error: unknown) => {
    await traces.stop();
    throw error;
  });
  try {
    if (!isStopping) announce(terminal, stack, options);
    await ended;
  } finally {
    await stack.stop();
    // Last, because the processes send their last spans when they stop.
    await traces.stop();
  }
}

function announce(terminal: Terminal, stack: LocalStack, options: UpOptions): void {
  terminal.result({
    ready: true,
    url: stack.url,
    grpc_url: stack.grpcUrl,
    redis_url: stack.redisUrl,
    metrics_url: stack.metricsUrl,
    worker_metrics_urls: stack.workerMetricsUrls,
    data: options.data,
    logs: stack.logs,
    pids: stack.pids(),
  });
  terminal.print(`ready ${stack.url}`);
  const logs = options.verbose === true ? '' : `   logs ${stack.logs}`;
  const grpc = stack.grpcUrl === undefined ? '' : `gRPC ${stack.grpcUrl}   `;
  terminal.note(`${grpc}docs ${stack.url}/docs   metrics ${stack.url}/metrics${logs}`);
}
