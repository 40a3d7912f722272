import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { Command } from 'commander';
import { SconceClient } from '@sconce/client';
import { startOtlpCollector } from '@sconce/trace-view';
import type { CliConfig } from '../config.ts';
import { readHeldout, type Heldout } from '../demo/heldout.ts';
import { scoreHeldout, timedRows, type Score } from '../demo/score.ts';
import { traceOneRequest, type TracedRequest } from '../demo/trace-request.ts';
import { productFile } from '../files/product-file.ts';
import { failure } from '../output/failure.ts';
import { interruptible } from '../output/interruption.ts';
import { Terminal } from '../output/terminal.ts';
import { startLocalStack } from '../stack/local-stack.ts';

/** A lower accuracy means a defect: PyTorch itself has 98 % of the held-out rows right. */
const MINIMUM_ACCURACY = 0.97;

/** `sconce demo`: runs the whole system on this machine, with real data. */
export function demoCommand(config: CliConfig): Command {
  return new Command('demo')
    .description('run the whole system on this machine: push a model, score a real dataset, show a trace')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExamples:\n  sconce demo\n  sconce demo --json')
    .action(async (options: { json?: boolean }) => {
      await demo(config, new Terminal({ json: options.json === true }));
    });
}

async function demo(config: CliConfig, terminal: Terminal): Promise<void> {
  const examples = dirname(productFile('examples/digits/digits.pt'));
  const data = mkdtempSync(join(tmpdir(), 'sconce-demo-'));
  const kill = new AbortController();
  const removeData = (): void => {
    rmSync(data, { recursive: true, force: true });
  };
  try {
    await interruptible(
      'The demo',
      (signal) => scoreAndTrace({ config, terminal, examples, data, signal, killSignal: kill.signal }),
      () => {
        kill.abort();
        removeData();
        process.exit(1);
      },
    );
  } finally {
    removeData();
  }
}

interface DemoRun {
  readonly config: CliConfig;
  readonly terminal: Terminal;
  readonly examples: string;
  readonly data: string;
  readonly signal: AbortSignal;
  readonly killSignal: AbortSignal;
}

/** Runs the demo. At the end it stops everything that it started, also when `signal` aborts it. */
async function scoreAndTrace({ config, terminal, examples, data, signal, killSignal }: DemoRun): Promise<void> {
  const heldout = await readHeldout(join(examples, 'heldout.csv'));
  const { promise: gaveUp, reject: giveUp } = Promise.withResolvers<never>();
  gaveUp.catch(() => undefined);
  const collector = await startOtlpCollector();
  try {
    signal.throwIfAborted();
    terminal.note('starting a private Redis, the API and a worker …');
    const stack = await startLocalStack({
      config,
      port: 0,
      data,
      workers: 1,
      env: {
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        // Only the request that asks for a trace is recorded, so tracing does not change the measured times.
        OTEL_TRACES_SAMPLER: 'parentbased_always_off',
      },
      killSignal,
      onEvent: (text) => {
        process.stderr.write(`${text}\n`);
      },
      onGaveUp: giveUp,
    });
    const measured = (async (): Promise<void> => {
      signal.throwIfAborted();
      const score = await pushAndScore(new SconceClient({ url: stack.url }), { terminal, examples, heldout, signal });
      const traced = await traceOneRequest(new SconceClient({ url: stack.url }), collector, heldout);
      report(terminal, score, traced);
      checkAccuracy(score);
    })();
    try {
      await Promise.race([measured, gaveUp, aborted(signal)]);
    } finally {
      await stack.stop();
    }
  } finally {
    await collector.stop();
  }
}

async function pushAndScore(
  client: SconceClient,
  given: { terminal: Terminal; examples: string; heldout: Heldout; signal: AbortSignal },
): Promise<Score> {
  const { terminal, examples, heldout, signal } = given;
  terminal.note('pushing examples/digits/digits.pt, a TorchScript archive …');
  const body = Readable.toWeb(createReadStream(join(examples, 'digits.pt'))) as ReadableStream<Uint8Array>;
  const { name, version } = await client.models.push('digits', body, { version: '1' });
  await client.models.waitUntilReady(name, version);
  terminal.note(
    `scoring ${heldout.labels.length} held-out rows as a batch, then ${timedRows(heldout)} rows to measure the speed …`,
  );
  const bar = terminal.progress('scoring', timedRows(heldout), 'rows');
  const path = join(examples, 'heldout.csv');
  return scoreHeldout(client, { path, heldout, signal, onProgress: bar.update }).finally(bar.stop);
}

function checkAccuracy({ accuracy }: Score): void {
  if (accuracy >= MINIMUM_ACCURACY) return;
  throw failure('internal', `Accuracy ${accuracy} is below ${MINIMUM_ACCURACY}.`, {
    hint: 'The outputs differ from PyTorch’s: please report it.',
  });
}

async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}

function report(terminal: Terminal, score: Score, traced: TracedRequest): void {
  const { accuracy, rows, rowsScored, batchId, rowsPerSecond, p50Ms, p99Ms } = score;
  terminal.result({
    accuracy,
    rows,
    rows_per_s: Math.round(rowsPerSecond),
    p50_ms: round(p50Ms),
    p99_ms: round(p99Ms),
    trace_id: traced.traceId,
    batch_id: batchId,
    rows_scored: rowsScored,
  });
  terminal.print(
    [
      '',
      `accuracy   ${(accuracy * 100).toFixed(1)} % of ${rows} held-out rows`,
      `speed      ${Math.round(rowsPerSecond).toLocaleString('en')} rows/s over a batch of ${rowsScored.toLocaleString('en')} rows, from upload to last result`,
      `latency    p50 ${round(p50Ms)} ms, p99 ${round(p99Ms)} ms per single request`,
      '',
      `one request's trace, ${traced.traceId}:`,
      traced.tree,
      '',
      'Next: `npx sconce up` keeps the system running. Its API docs are then at http://127.0.0.1:8000/docs.',
    ].join('\n'),
  );
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
