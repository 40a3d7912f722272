import { Command } from 'commander';
import type { CliConfig } from '../config.ts';
import { integerOption } from '../output/options.ts';
import { Terminal } from '../output/terminal.ts';
import { startLocalStack, type LocalStack } from '../stack/local-stack.ts';
import { startLocalTraces } from '../stack/local-traces.ts';

interface UpOptions {
  readonly port: number;
  readonly data: string;
  readonly workers: number;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

/** `sconce up`: the local stack, kept running. */
export function upCommand(config: CliConfig): Command {
  return new Command('up')
    .description('run the whole system on this machine: a private Redis, the API and workers; Ctrl-C drains')
    .option('--port <number>', 'HTTP port; 0 for any free one', integerOption('--port', 0, 65_535), 8000)
    .option('--data <folder>', 'where models and queued work are kept', '.sconce')
    .option('--workers <number>', 'worker processes', integerOption('--workers', 1, 64), 1)
    .option('--verbose', 'let the processes log to stderr instead of DATA/logs')
    .option('--json', 'print one JSON object when ready')
    .addHelpText('after', '\nExamples:\n  sconce up\n  sconce up --port 0 --data /var/lib/sconce --workers 2')
    .action(async (options: UpOptions) => {
      await up(config, options);
    });
}

async function up(config: CliConfig, options: UpOptions): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const { promise: ended, resolve: end, reject: giveUp } = Promise.withResolvers<void>();
  // It may fail while the stack still starts, when nobody waits for it yet.
  ended.catch(() => undefined);
  const kill = new AbortController();
  let asked = false;
  const onSignal = (): void => {
    if (asked) {
      kill.abort();
      process.exit(1);
    }
    asked = true;
    terminal.note('draining; once more to end at once');
    end();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  const traces = await startLocalTraces(config.inherited);
  const stack = await startLocalStack({
    config,
    env: traces.env,
    port: options.port,
    data: options.data,
    workers: options.workers,
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
    if (!asked) announce(terminal, stack, options);
    await ended;
  } finally {
    await stack.stop();
    // The processes sent their last spans while they ended.
    await traces.stop();
  }
}

function announce(terminal: Terminal, stack: LocalStack, options: UpOptions): void {
  terminal.result({
    ready: true,
    url: stack.url,
    redis_url: stack.redisUrl,
    metrics_url: stack.metricsUrl,
    worker_metrics_urls: stack.workerMetricsUrls,
    data: options.data,
    logs: stack.logs,
    pids: stack.pids(),
  });
  terminal.print(`ready ${stack.url}`);
  const logs = options.verbose === true ? '' : `   logs ${stack.logs}`;
  terminal.note(`docs ${stack.url}/docs   metrics ${stack.url}/metrics${logs}`);
}
