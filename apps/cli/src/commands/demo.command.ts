import { createReadStream, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { SconceClient } from '@sconce/client';
import { startOtlpCollector } from '@sconce/telemetry';
import type { CliConfig } from '../config.ts';
import { readHeldout } from '../demo/heldout.ts';
import { MINIMUM_JOBS, ROWS_PER_JOB, scoreHeldout, type Score } from '../demo/score.ts';
import { traceOneRequest, type TracedRequest } from '../demo/trace-request.ts';
import { failure } from '../output/failure.ts';
import { Terminal } from '../output/terminal.ts';
import { startLocalStack } from '../stack/local-stack.ts';

/** Below this something is wrong: PyTorch itself gets 98 % of the held-out rows. */
const MINIMUM_ACCURACY = 0.97;

/** `sconce demo`: the whole system on this machine, on real data. */
export function demoCommand(config: CliConfig): Command {
  return new Command('demo')
    .description('run the whole system on this machine: push a model, score a real dataset, show a trace')
    .option('--json', 'print one JSON object')
    .action(async (options: { json?: boolean }) => {
      await demo(config, new Terminal({ json: options.json === true }));
    });
}

async function demo(config: CliConfig, terminal: Terminal): Promise<void> {
  const examples = findExamples();
  const data = mkdtempSync(join(tmpdir(), 'sconce-demo-'));
  const cleanUp: (() => Promise<void> | void)[] = [() => rmSync(data, { recursive: true, force: true })];
  const interrupted = Promise.withResolvers<never>();
  const interrupt = (): void => {
    interrupted.reject(failure('job_cancelled', 'The demo was interrupted.', 'Run it again when you like.'));
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  try {
    await Promise.race([run(), interrupted.promise]);
  } finally {
    for (const step of cleanUp.reverse()) await step();
  }

  async function run(): Promise<void> {
    const heldout = await readHeldout(join(examples, 'heldout.csv'));
    const collector = await startOtlpCollector();
    cleanUp.push(() => collector.stop());
    terminal.note('starting a private Redis, the API and a worker …');
    const starting = startLocalStack({
      config,
      port: 0,
      data,
      workers: 1,
      env: {
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        // Only the request that brings its own trace is recorded: the timings stay what they are without tracing.
        OTEL_TRACES_SAMPLER: 'parentbased_always_off',
      },
      onEvent: (text) => {
        process.stderr.write(`${text}\n`);
      },
      onGaveUp: (error) => {
        interrupted.reject(error);
      },
    });
    // Also when the interrupt comes while it starts.
    cleanUp.push(async () => (await starting.catch(() => undefined))?.stop());
    const stack = await starting;
    const client = new SconceClient({ url: stack.url });
    terminal.note('pushing examples/digits/digits.onnx …');
    const body = Readable.toWeb(createReadStream(join(examples, 'digits.onnx'))) as ReadableStream<Uint8Array>;
    const { name, version } = await client.models.push('digits', body, { version: '1' });
    await client.models.waitUntilReady(name, version);
    terminal.note(`scoring ${heldout.labels.length} held-out rows as jobs of many rows …`);
    const bar = terminal.progress('scoring', MINIMUM_JOBS * ROWS_PER_JOB, 'rows');
    const score = await scoreHeldout(client, heldout, (rows) => {
      bar.update(rows);
    }).finally(() => {
      bar.stop();
    });
    const traced = await traceOneRequest(client, collector, heldout);
    report(terminal, score, traced);
    if (score.accuracy < MINIMUM_ACCURACY) {
      throw failure(
        'internal',
        `Accuracy ${score.accuracy} is below ${MINIMUM_ACCURACY}.`,
        'The model or the runtime computes something else than PyTorch does: please report it.',
      );
    }
  }
}

function report(terminal: Terminal, score: Score, traced: TracedRequest): void {
  const { accuracy, rows, rowsScored, jobs, rowsPerSecond, p50Ms, p99Ms } = score;
  terminal.result({
    accuracy,
    rows,
    rows_per_s: Math.round(rowsPerSecond),
    p50_ms: round(p50Ms),
    p99_ms: round(p99Ms),
    trace_id: traced.traceId,
    jobs,
    rows_scored: rowsScored,
  });
  terminal.print(
    [
      '',
      `accuracy   ${(accuracy * 100).toFixed(1)} % of ${rows} held-out rows`,
      `speed      ${Math.round(rowsPerSecond).toLocaleString('en')} rows/s over ${jobs} jobs (${rowsScored} rows)`,
      `latency    p50 ${round(p50Ms)} ms, p99 ${round(p99Ms)} ms per job, submitted to result in hand`,
      '',
      `one request's trace, ${traced.traceId}:`,
      traced.tree,
      '',
      'Next: `npx sconce up` keeps the system running; docs are at http://127.0.0.1:8000/docs then.',
    ].join('\n'),
  );
}

function findExamples(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'examples', 'digits', 'digits.onnx'))) {
    if (dirname(folder) === folder) {
      throw failure('not_found', 'examples/digits is not there.', 'Run the demo from a checkout of the project.');
    }
    folder = dirname(folder);
  }
  return join(folder, 'examples', 'digits');
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
