import { Command } from 'commander';
import type { CliConfig } from '../config.ts';
import { integerOption } from '../output/options.ts';
import { Terminal } from '../output/terminal.ts';
import { startLocalStack } from '../stack/local-stack.ts';

interface UpOptions {
  readonly port: number;
  readonly data: string;
  readonly workers: number;
  readonly json?: boolean;
}

/** `sconce up`: the local stack, kept running. */
export function upCommand(config: CliConfig): Command {
  return new Command('up')
    .description('run the whole system on this machine: a private Redis, the API and workers; Ctrl-C drains')
    .option('--port <number>', 'HTTP port; 0 for any free one', integerOption('--port', 0, 65_535), 8000)
    .option('--data <folder>', 'where models and queued work are kept', '.sconce')
    .option('--workers <number>', 'worker processes', integerOption('--workers', 1, 64), 1)
    .option('--json', 'print one JSON object when ready')
    .action(async (options: UpOptions) => {
      await up(config, options);
    });
}

async function up(config: CliConfig, options: UpOptions): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const { promise: ended, resolve: end, reject: giveUp } = Promise.withResolvers<void>();
  const stack = await startLocalStack({
    config,
    port: options.port,
    data: options.data,
    workers: options.workers,
    onEvent: (text) => {
      process.stderr.write(`${text}\n`);
    },
    onGaveUp: giveUp,
  });
  let signals = 0;
  const onSignal = (): void => {
    signals += 1;
    if (signals === 1) {
      terminal.note('draining; once more to end at once');
      end();
    } else {
      stack.kill();
      process.exit(1);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  terminal.result({
    ready: true,
    url: stack.url,
    redis_url: stack.redisUrl,
    metrics_url: stack.metricsUrl,
    data: options.data,
    logs: stack.logs,
    pids: stack.pids(),
  });
  terminal.print(`ready ${stack.url}`);
  terminal.note(`docs ${stack.url}/docs   metrics ${stack.url}/metrics   logs ${stack.logs}`);
  try {
    await ended;
  } finally {
    await stack.stop();
  }
}
