import { createReadStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { Command } from 'commander';
import type { Batch, BatchFormat, SconceClient, TableRequest } from '@sconce/client';
import type { CliConfig } from '../config.ts';
import { UsageError, failure } from '../output/failure.ts';
import { interruptible } from '../output/interruption.ts';
import { formatBytes } from '../output/text.ts';
import { collect, integerOption, numberOption } from '../output/options.ts';
import { Terminal } from '../output/terminal.ts';
import { batchFailure } from '../score/batch-text.ts';
import { fetchResults } from '../score/fetch-results.ts';
import { formatOf, parseInput, parseOutput } from '../score/mapping-options.ts';
import { watchBatch } from '../score/watch-batch.ts';
import { connect } from './connect.ts';

interface ScoreOptions {
  readonly out?: string;
  readonly errors?: string;
  readonly version?: string;
  readonly input: ReadonlyMap<string, NonNullable<TableRequest['inputs']>[string]>;
  readonly output: readonly NonNullable<TableRequest['outputs']>[number][];
  readonly keep?: string;
  readonly format?: string;
  readonly outputFormat?: string;
  readonly delimiter?: string;
  readonly header: boolean;
  readonly allowNan?: boolean;
  readonly maxErrorRate?: number;
  readonly priority?: number;
  readonly window?: string;
  readonly detach?: boolean;
  readonly json?: boolean;
}

/** `sconce score`: score a file of rows. */
export function scoreCommand(config: CliConfig): Command {
  return new Command('score')
    .description('score a file of rows: CSV, JSONL, Parquet, Arrow or NPY in, the same out')
    .argument('<model>')
    .argument('<file>', 'the rows; .csv and .jsonl may be compressed (.gz)')
    .option('-o, --out <file>', 'where the results go; its name tells their format')
    .option('--errors <file>', 'where rows that fail go; default OUT.errors.jsonl, only where there are any')
    .option('--version <number>', 'default: the one that is served')
    .option(
      '--input <name=columns>',
      'columns of an input: "pixels=p*", x=age,income, x=column, k:=5 for a value; may be repeated',
      collect(parseInput),
      new Map(),
    )
    .option(
      '--output <name=output>',
      'a column of the results: "digit=argmax(logits)", "p=softmax(logits)", "best=top_k(logits, 3)", y=output_0; may be repeated',
      (text: string, all: ScoreOptions['output']) => [...all, parseOutput(text)],
      [],
    )
    .option('--keep <columns>', 'columns of the input that the results repeat, separated by commas')
    .option('--format <format>', 'of the input, where its name does not tell')
    .option('--output-format <format>', 'of the results, where their name does not tell')
    .option('--delimiter <character>', 'of CSV; default a comma, a tab for .tsv')
    .option('--no-header', 'the CSV begins with a row; its columns are 0, 1, …')
    .option('--allow-nan', 'NaN and infinities are values, not bad rows')
    .option(
      '--max-error-rate <share>',
      'give up where more rows than this share fail, 0 to 1',
      numberOption('--max-error-rate'),
    )
    .option('--priority <number>', '1 (first) to 255 among batches', integerOption('--priority', 1, 255))
    .option('--window <time>', 'how long it may take: 30m, 24h, 7d')
    .option('--detach', 'submit it and come back at once')
    .option('--json', 'print the batch as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  sconce score digits rows.csv -o scored.csv --input "pixels=p*" --output "digit=argmax()" --keep id\n  sconce score churn customers.parquet -o churn.parquet --keep customer_id',
    )
    .action(async (model: string, file: string, options: ScoreOptions) => {
      await score(config, { model, file, options });
    });
}

async function score(config: CliConfig, given: { model: string; file: string; options: ScoreOptions }): Promise<void> {
  const { file, options } = given;
  if (options.out === undefined && options.detach !== true) {
    throw new UsageError('There is nowhere for the results to go.', 'Give -o FILE, or --detach and fetch them later.');
  }
  const terminal = new Terminal({ json: options.json === true });
  const size = sizeOf(file);
  const client = connect(config);
  const submitted = await interruptible('The upload', (signal) => submit(client, { ...given, size, terminal, signal }));
  terminal.note(`uploaded ${formatBytes(size)}; batch ${submitted.id}`);
  if (options.detach === true || options.out === undefined) {
    terminal.result(submitted);
    terminal.print(submitted.id);
    return;
  }
  const beganMs = performance.now();
  const watched = await watchBatch(client, submitted.id, terminal);
  if (watched.kind === 'detached') {
    throw failure(
      'job_not_finished',
      `Batch ${submitted.id} runs on without you.`,
      `\`sconce batches download ${submitted.id} -o ${options.out}\` waits for it and fetches the results.`,
    );
  }
  await finish(client, watched.batch, { terminal, options, out: options.out, beganMs });
}

async function submit(
  client: SconceClient,
  given: { model: string; file: string; options: ScoreOptions; size: number; terminal: Terminal; signal: AbortSignal },
): Promise<Batch> {
  const { model, file, options, size, terminal, signal } = given;
  const bar = terminal.progress('uploading', size, 'bytes');
  const body = Readable.toWeb(createReadStream(file, { highWaterMark: 1024 * 1024 })) as ReadableStream<Uint8Array>;
  return client.batches
    .score(requestOf(model, file, options), body, { filename: basename(file), onProgress: bar.update, signal })
    .finally(bar.stop);
}

function requestOf(model: string, file: string, options: ScoreOptions): TableRequest {
  const { version, input, output, keep, delimiter, header, maxErrorRate, priority, window } = options;
  const format: BatchFormat = formatOf(options.format, file, '--format');
  const outputFormat =
    options.out === undefined && options.outputFormat === undefined
      ? format
      : formatOf(options.outputFormat, options.out ?? '', '--output-format');
  const csv = { ...(delimiter === undefined ? {} : { delimiter }), ...(header ? {} : { header: false }) };
  return {
    model,
    format,
    output_format: outputFormat,
    ...(version === undefined ? {} : { version }),
    ...(input.size === 0 ? {} : { inputs: Object.fromEntries(input) }),
    ...(output.length === 0 ? {} : { outputs: output }),
    ...(keep === undefined ? {} : { pass_through: keep.split(',') }),
    ...(Object.keys(csv).length === 0 ? {} : { csv }),
    ...(options.allowNan === true ? { allow_non_finite: true } : {}),
    ...(maxErrorRate === undefined ? {} : { max_error_rate: maxErrorRate }),
    ...(priority === undefined ? {} : { priority }),
    ...(window === undefined ? {} : { completion_window: window }),
  };
}

async function finish(
  client: SconceClient,
  batch: Batch,
  given: { terminal: Terminal; options: ScoreOptions; out: string; beganMs: number },
): Promise<void> {
  const { terminal, options, out, beganMs } = given;
  const seconds = (performance.now() - beganMs) / 1_000;
  const { completed, failed } = batch.request_counts;
  const hasResults = batch.output_file_id !== null || batch.error_file_id !== null;
  const files = hasResults ? await fetchResults(client, batch, { output: out, errors: options.errors }) : undefined;
  const rowsPerSecond = Math.round((completed + failed) / Math.max(seconds, 1e-3));
  terminal.result({ ...batch, seconds: Math.round(seconds * 1_000) / 1_000, rows_per_s: rowsPerSecond, ...files });
  if (files !== undefined) {
    terminal.print(
      `${completed} rows scored in ${seconds.toFixed(1)} s (${rowsPerSecond.toLocaleString('en')} rows/s): ${files.output}`,
    );
    if (files.errors !== undefined) terminal.print(`${failed} rows failed, and why: ${files.errors}`);
  }
  if (batch.status !== 'completed') throw batchFailure(batch);
}

function sizeOf(file: string): number {
  try {
    const found = statSync(file);
    if (found.isFile()) return found.size;
  } catch {
    throw new UsageError(`There is no file ${file}.`, 'Give a file of rows: CSV, JSONL, Parquet, Arrow or NPY.');
  }
  throw new UsageError(`${file} is not a file.`, 'Give a file of rows: CSV, JSONL, Parquet, Arrow or NPY.');
}
