import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { Command } from 'commander';
import { PROCESS_ENVIRONMENT } from '@sconce/runtime/process-environment';
import { productFile } from '../files/product-file.ts';
import { integerOption } from '../output/options.ts';
import type { CliConfig } from '../config.ts';

interface ServeOptions {
  readonly port?: number;
  readonly host?: string;
  readonly grpcPort?: number;
  readonly metricsPort?: number;
  readonly threads?: number;
  readonly cache?: string;
  readonly keys?: string;
  readonly maxBodyBytes?: number;
  readonly maxOutstanding?: number;
  readonly json?: boolean;
}

/** The environment variable that each option sets. */
const VARIABLES: Readonly<Record<Exclude<keyof ServeOptions, 'json'>, string>> = {
  port: 'SCONCE_PORT',
  host: 'SCONCE_HOST',
  grpcPort: 'SCONCE_GRPC_PORT',
  metricsPort: 'SCONCE_METRICS_PORT',
  threads: 'SCONCE_THREADS',
  cache: 'SCONCE_SERVE_CACHE',
  keys: 'SCONCE_KEYS_FILE',
  maxBodyBytes: 'SCONCE_MAX_BODY_BYTES',
  maxOutstanding: 'SCONCE_MAX_OUTSTANDING',
};

/**
 * Flags of V8 for a small process: a young generation of 2 MiB a half-space, and no compiler threads, whose memory would stay in gaps of the
 * allocator (30 MB, measured).
 */
const NODE_FLAGS = ['--no-concurrent-recompilation'];
const ENVIRONMENT = {
  ...PROCESS_ENVIRONMENT,
  MALLOC_TRIM_THRESHOLD_: String(128 * 1024),
  NODE_OPTIONS: '--max-semi-space-size=2 --no-node-snapshot',
};

/** `sconce serve`: serves model files from one process without Redis. */
export function serveCommand(config: CliConfig): Command {
  const port = (name: string): ((text: string) => number) => integerOption(name, 0, 65_535);
  return new Command('serve')
    .description('serve model files from one process without Redis: synchronous inference over HTTP')
    .argument('<file...>', 'model files (.pt, .onnx), NAME=FILE, or folders of models')
    .option('--port <number>', 'HTTP port; 0: any free port (default: 8000)', port('--port'))
    .option('--host <address>', 'address to listen on (default: 127.0.0.1); any other than loopback needs --keys')
    .option('--grpc-port <number>', 'gRPC port; 0: any free port (default: no gRPC)', port('--grpc-port'))
    .option('--metrics-port <number>', 'a port of its own for /metrics and /health', port('--metrics-port'))
    .option('--threads <number>', 'inference threads (default: the CPUs)', integerOption('--threads', 1, 256))
    .option('--cache <folder>', 'folder for compilations (default: .sconce-serve beside each file)')
    .option('--keys <file>', 'file of API keys (`sconce keys create`)')
    .option(
      '--max-body-bytes <number>',
      'largest request body (default: 64 MiB)',
      integerOption('--max-body-bytes', 1, Number.MAX_SAFE_INTEGER),
    )
    .option(
      '--max-outstanding <number>',
      'most requests that wait for an answer (default: 10000)',
      integerOption('--max-outstanding', 1, Number.MAX_SAFE_INTEGER),
    )
    .option('--json', 'print one JSON object when ready; log lines are JSON objects too')
    .addHelpText(
      'after',
      `
Each file is compiled and proved once; the result is kept. Prints "ready URL" when requests are answered.
Jobs, batches and changes of models need \`sconce up\`: here they answer 501. docs/serve.md says more.

Examples:
  sconce serve model.pt
  sconce serve digits=v3/model.pt text.onnx --port 9000 --cache /var/cache/sconce
  sconce serve models/`,
    )
    .action((files: readonly string[], options: ServeOptions) => serve(config, files, options));
}

/** Replaces this process by the server, so that only one process runs. Where that is not possible, starts it and passes on its end. */
async function serve(config: CliConfig, files: readonly string[], options: ServeOptions): Promise<void> {
  const main = productFile('apps/api/dist/serve/main.js');
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...ENVIRONMENT, ...config.inherited })) {
    if (value !== undefined) env[name] = value;
  }
  for (const [option, variable] of Object.entries(VARIABLES)) {
    const value = options[option as keyof ServeOptions];
    if (value !== undefined) env[variable] = String(value);
  }
  const args = [...NODE_FLAGS, main, ...(options.json === true ? ['--json'] : []), ...files];
  // A launcher that is connected by a channel must see the end of its child, and the child the end of its launcher.
  if (process.execve !== undefined && process.channel === undefined) {
    process.execve(process.execPath, [process.execPath, ...args], env);
  }
  const child = spawn(process.execPath, args, { env, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  process.once('disconnect', () => child.kill('SIGTERM'));
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (...ended) => resolve(ended));
  });
  process.exit(code ?? 128 + constants.signals[signal ?? 'SIGTERM']);
}
