import { Command } from 'commander';
import type { CliConfig } from '../config.ts';
import { bodiesOfFile, parseShape, randomBodies, type BenchBodies } from '../bench/bodies.ts';
import { generateLoad, type LoadReport } from '../bench/load.ts';
import { UsageError, failure } from '../output/failure.ts';
import { collect, integerOption, numberOption } from '../output/options.ts';
import { Terminal } from '../output/terminal.ts';
import { connect } from './connect.ts';
import { infer, modelMetadata } from './inference-calls.ts';

interface BenchOptions {
  readonly version?: string;
  readonly in?: string;
  readonly rows?: number;
  readonly shape: ReadonlyMap<string, readonly number[]>;
  readonly concurrency: readonly number[];
  readonly rate?: readonly number[];
  readonly duration: number;
  readonly warmup: number;
  readonly text?: boolean;
  readonly json?: boolean;
}

/** One line of the table. */
interface Step extends LoadReport {
  /** Requests in flight: always this many (closed loop), or at most this many (open loop, with `rate` requests a second). */
  readonly inFlight: number;
  readonly rate?: number;
  readonly rowsPerSecond: number;
}

const MAX_IN_FLIGHT = 4_096;
/** The limit of an open loop: far more than a server has in flight that answers fast enough. */
const OPEN_IN_FLIGHT = 1_024;

/** `sconce bench`: a load generator with a latency table. */
export function benchCommand(config: CliConfig): Command {
  return new Command('bench')
    .description('send requests to a model, as fast as it answers or at a rate; print throughput and latencies')
    .argument('<model>')
    .option('--version <number>', 'version of the model; default: the one that is served')
    .option(
      '--in <file>',
      'safetensors file with the inputs (one call, or the calls of a cases file); default: random values',
    )
    .option('--rows <number>', 'rows in a request with random values', integerOption('--rows', 1, 65_536))
    .option(
      '--shape <name:sizes>',
      'full shape of an input with free axes, e.g. x:1,3,224,224; may be repeated',
      collect(parseShape),
      new Map(),
    )
    .option(
      '--concurrency <list>',
      'requests in flight at once; each number is measured in turn',
      listOf('--concurrency', integerOption('--concurrency', 1, MAX_IN_FLIGHT)),
      [1, 8, 64],
    )
    .option(
      '--rate <list>',
      'send this many requests per second instead; each number is measured in turn',
      listOf('--rate', positive('--rate')),
    )
    .option('--duration <seconds>', 'how long each number is measured', positive('--duration'), 10)
    .option('--warmup <seconds>', 'how long requests are sent before each measurement', numberOption('--warmup'), 2)
    .option('--text', 'send and receive JSON numbers instead of binary tensors')
    .option('--json', 'print the figures as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  sconce bench digits\n  sconce bench resnet --shape x:1,3,224,224 --concurrency 1,16\n  sconce bench digits --rate 200,400 --duration 30',
    )
    .action(async (model: string, options: BenchOptions) => {
      await bench(config, model, options);
    });
}

async function bench(config: CliConfig, model: string, options: BenchOptions): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const client = connect(config);
  const { inputs } = await modelMetadata(client, model, options.version);
  const requests = await bodiesFor(inputs, options);
  const version = options.version === undefined ? '' : `/versions/${encodeURIComponent(options.version)}`;
  const url = new URL(`${client.url}/v2/models/${encodeURIComponent(model)}${version}/infer`);
  // If the server refuses the request, its error message is shown here, once.
  await infer(client, model, { request: requests.first, version: options.version });
  const plans =
    options.rate?.map((rate) => ({ rate, inFlight: OPEN_IN_FLIGHT })) ??
    options.concurrency.map((inFlight) => ({ inFlight }));
  const controller = new AbortController();
  const stop = (): void => {
    controller.abort();
  };
  // The measurements up to then are printed.
  process.once('SIGINT', stop);
  const steps: Step[] = [];
  for (const plan of plans) {
    if (controller.signal.aborted) break;
    const label = 'rate' in plan ? `${plan.rate}/s` : `${plan.inFlight} in flight`;
    const total = options.warmup + options.duration;
    const bar = terminal.progress(label, Math.ceil(total), 's');
    const report = await generateLoad(
      { url, bodies: requests.bodies, warmupSeconds: options.warmup, seconds: options.duration, ...plan },
      {
        signal: controller.signal,
        onProgress: (seconds) => {
          bar.update(Math.min(Math.floor(seconds), Math.ceil(total)));
        },
      },
    );
    bar.stop();
    steps.push({ ...plan, ...report, rowsPerSecond: report.perSecond * requests.rows });
  }
  process.removeListener('SIGINT', stop);
  terminal.result({ model, version: options.version, rows: requests.rows, steps });
  print(terminal, steps);
  if (steps.every(({ succeeded }) => succeeded === 0)) {
    throw failure('inference_failed', `No request to ${model} was answered.`, {
      hint: '`sconce infer` shows the answer to one request.',
    });
  }
}

async function bodiesFor(inputs: Parameters<typeof randomBodies>[0], options: BenchOptions): Promise<BenchBodies> {
  const { rows, shape: shapes } = options;
  const binary = options.text !== true;
  if (options.in === undefined) return randomBodies(inputs, { rows: rows ?? 1, shapes, binary });
  if (rows !== undefined || shapes.size > 0) {
    throw new UsageError(
      '--in cannot be combined with --rows or --shape.',
      'Leave them out: the file has the rows and shapes.',
    );
  }
  return bodiesOfFile(options.in, inputs, { binary });
}

function print(terminal: Terminal, steps: readonly Step[]): void {
  terminal.table(
    [
      'IN FLIGHT',
      'RATE',
      'REQ/S',
      'ROWS/S',
      'P50 MS',
      'P90 MS',
      'P99 MS',
      'MAX MS',
      'QUEUE',
      'BATCH',
      'RUN',
      'ROWS/RUN',
    ],
    steps.map(({ inFlight, rate, perSecond, rowsPerSecond, latencyMs, server }) => [
      rate === undefined ? String(inFlight) : '',
      rate === undefined ? '' : figure(rate),
      ...[perSecond, rowsPerSecond, latencyMs.p50, latencyMs.p90, latencyMs.p99, latencyMs.max].map(figure),
      ...[server.queueMs, server.batchMs, server.runMs, server.rowsPerRun].map(figure),
    ]),
  );
  terminal.print('QUEUE, BATCH, RUN: mean ms in the queue, waiting for a thread, and in the run.');
  for (const { inFlight, rate, failed, unsent } of steps) {
    const what = Object.entries(failed).map(([code, count]) => `${count} × ${code}`);
    if (unsent > 0) what.push(`${unsent} not sent, because ${inFlight} were in flight`);
    if (what.length > 0)
      terminal.print(`${rate === undefined ? `${inFlight} in flight` : `${rate}/s`}: ${what.join(', ')}`);
  }
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));
}

function listOf<T>(name: string, parse: (text: string) => T): (text: string) => readonly T[] {
  return (text) => {
    if (text.trim() === '') throw new UsageError(`${name} takes numbers, separated by commas.`, 'For example 1,8,64.');
    return text.split(',').map((part) => parse(part.trim()));
  };
}

function positive(name: string): (text: string) => number {
  return (text) => {
    const value = numberOption(name)(text);
    if (value > 0) return value;
    throw new UsageError(
      `${name} takes a number above 0, not "${text}".`,
      'Run the command with --help to see its options.',
    );
  };
}
