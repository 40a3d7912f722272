import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { Command, Option } from 'commander';
import type { Batch, BatchFormat, SconceClient, TableRequest } from '@sconce/client';
import type { CliConfig } from '../config.ts';
import { inputFile } from '../files/input-file.ts';
import { checkOutput } from '../files/output-file.ts';
import { UsageError, failure } from '../output/failure.ts';
import { interruptible } from '../output/interruption.ts';
import { formatBytes } from '../output/text.ts';
import { collect, integerOption, numberOption } from '../output/options.ts';
import { Terminal } from '../output/terminal.ts';
import { batchFailure, mappingHint } from '../score/batch-text.ts';
import { fetchResults } from '../score/fetch-results.ts';
import { formatOf, parseInput, parseOutput } from '../score/mapping-options.ts';
import { previewFile, type FilePreview, type FormattedRequest } from '../score/preview-file.ts';
import { previewText } from '../score/preview-text.ts';
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
  readonly encoding?: string;
  readonly header?: boolean;
  readonly allowNan?: boolean;
  readonly maxErrorRate?: number;
  readonly priority?: number;
  readonly window?: string;
  readonly limit?: number;
  readonly missing?: string;
  readonly decimal?: string;
  readonly thousands?: string;
  readonly detach?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `sconce score`: scores a file of rows. */
export function scoreCommand(config: CliConfig): Command {
  return new Command('score')
    .description('score a file of rows (CSV, JSONL, Parquet, Arrow, NPY) and download the results')
    .argument('<model>')
    .argument('<file>', 'file of rows; .csv and .jsonl may be compressed (.gz, .zst)')
    .option('-o, --out <file>', 'file for the results; its ending decides the format')
    .option('--errors <file>', 'file for rows that fail, if there are any; default: OUT.errors.jsonl')
    .option('--version <number>', 'version of the model; default: the one that is served')
    .option(
      '--input <name=columns>',
      'columns of an input: "pixels=p*", x=age,income or x=column; k:=5 gives a constant; may be repeated',
      collect(parseInput),
      new Map(),
    )
    .option(
      '--output <name=output>',
      'a column of the results: "digit=argmax(logits)", "p=softmax(logits)", "best=top_k(logits, 3)", y=output_0; may be repeated',
      (text: string, all: ScoreOptions['output']) => [...all, parseOutput(text)],
      [],
    )
    .option('--keep <columns>', 'columns of the input to copy into the results, separated by commas')
    .option('--limit <rows>', 'score the first rows only', integerOption('--limit', 1, Number.MAX_SAFE_INTEGER))
    .option('--format <format>', 'format of the input, if its name does not show it')
    .option('--output-format <format>', 'format of the results, if their name does not show it')
    .option('--delimiter <character>', 'delimiter of CSV files; default: a comma, or a tab for .tsv')
    .option(
      '--encoding <name>',
      'encoding of CSV or JSON: latin1, windows-1252, shift_jis, gb18030, …; default: UTF-8, or UTF-16 by its mark',
    )
    .option('--header', 'the first line of the CSV file has names, even if all of them are numbers')
    .option('--no-header', 'the CSV file has no header line; its columns are named 0, 1, …')
    .option(
      '--missing <value>',
      'missing values (null, NaN, nothing, NA, …): error, nan, or the value that stands for them',
    )
    .addOption(new Option('--decimal <character>', 'decimal separator of numbers in CSV').choices(['.', ',']))
    .addOption(
      new Option('--thousands <character>', 'separator of groups of three digits in CSV').choices(['.', ',', ' ', "'"]),
    )
    .option('--allow-nan', 'accept NaN and infinities as values; without it such rows fail')
    .option(
      '--max-error-rate <share>',
      'stop the batch if a larger share of its rows fails, 0 to 1',
      numberOption('--max-error-rate', 1),
    )
    .option('--priority <number>', 'priority among batches: 1 (first) to 255', integerOption('--priority', 1, 255))
    .option('--window <time>', 'time limit of the batch: 30m, 24h, 7d')
    .option('--detach', 'submit the batch, print its id and do not wait')
    .option('--dry-run', 'show how the file would be read, and score its first rows; nothing is uploaded')
    .option('--json', 'print the batch, or what a dry run found, as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  sconce score digits rows.csv -o scored.csv --input "pixels=p*" --output "digit=argmax()" --keep id\n  sconce score digits rows.csv --input "pixels=p*" --dry-run\n  sconce score churn customers.parquet -o churn.parquet --keep customer_id',
    )
    .action(async (model: string, file: string, options: ScoreOptions) => {
      await score(config, { model, file, options });
    });
}

async function score(config: CliConfig, given: { model: string; file: string; options: ScoreOptions }): Promise<void> {
  const { file, options } = given;
  if (options.out === undefined && options.detach !== true && options.dryRun !== true) {
    throw new UsageError(
      'No file for the results is given.',
      'Give -o FILE, or --detach and download the results later.',
    );
  }
  const terminal = new Terminal({ json: options.json === true });
  const { path, size } = inputFile(file, 'a file of rows: CSV, JSONL, Parquet, Arrow or NPY');
  const client = connect(config);
  const request = requestOf(given.model, file, options);
  if (options.dryRun === true) {
    const preview = await previewFile(client, { request, path, file, scores: true });
    terminal.result(preview);
    terminal.print(previewText(preview, file));
    const { fix = 'The report says why.' } = firstProblem(preview);
    if (!preview.ok) throw failure('invalid_dataset', 'Such a batch would fail.', { hint: fix });
    return;
  }
  if (options.out !== undefined) await checkOutput(options.out, [path]);
  // What is wrong with the file is said before it is uploaded.
  const preview = await previewFile(client, { request, path, file, scores: false });
  if (preview.errors.length > 0) {
    const { message, fix = `\`sconce score … --dry-run\` shows how the file is read.` } = firstProblem(preview);
    throw failure('invalid_dataset', message, { hint: fix });
  }
  const submitted = await interruptible('The upload', (signal) =>
    submit(client, { request, file, size, terminal, signal }),
  );
  terminal.note(`uploaded ${formatBytes(size)}; batch ${submitted.id}`);
  if (options.detach === true || options.out === undefined) {
    terminal.result(submitted);
    terminal.print(submitted.id);
    return;
  }
  const beganMs = performance.now();
  const watched = await watchBatch(client, submitted.id, terminal);
  if (watched.kind === 'detached') {
    const hint = `\`sconce batches download ${submitted.id} -o ${options.out}\` waits for it and downloads the results.`;
    if (!watched.chosen) {
      throw failure('job_not_finished', `Batch ${submitted.id} has not ended; the server continues it.`, { hint });
    }
    terminal.result(submitted);
    terminal.print(`Batch ${submitted.id} runs on. ${hint}`);
    return;
  }
  await finish(client, watched.batch, { terminal, options, out: options.out, beganMs });
}

async function submit(
  client: SconceClient,
  given: { request: TableRequest; file: string; size: number; terminal: Terminal; signal: AbortSignal },
): Promise<Batch> {
  const { request, file, size, terminal, signal } = given;
  const bar = terminal.progress('uploading', size, 'bytes');
  const body = Readable.toWeb(createReadStream(file, { highWaterMark: 1024 * 1024 })) as ReadableStream<Uint8Array>;
  return client.batches
    .score(request, body, { filename: basename(file), onProgress: bar.update, signal })
    .finally(bar.stop);
}

/** The problem to solve first, and what to change for it. */
function firstProblem({ errors, warnings }: FilePreview): {
  readonly message: string;
  readonly fix: string | undefined;
} {
  const [first] = [...errors, ...warnings.filter(({ fix }) => fix !== undefined), ...warnings];
  const fix = first?.fix === undefined ? mappingHint(first?.param) : `Add ${first.fix.flag}`;
  return { message: first?.message ?? 'The file cannot be scored.', fix };
}

function requestOf(model: string, file: string, options: ScoreOptions): FormattedRequest {
  const { version, input, output, keep, maxErrorRate, priority, window } = options;
  const format: BatchFormat = formatOf(options.format, file, '--format');
  const outputFormat =
    options.out === undefined && options.outputFormat === undefined
      ? format
      : formatOf(options.outputFormat, options.out ?? '', '--output-format');
  const { delimiter, header, decimal, thousands, missing } = options;
  const csv = { delimiter, header, decimal, thousands } as NonNullable<TableRequest['csv']>;
  const hasCsvOptions = Object.values(csv).some((option) => option !== undefined);
  return {
    model,
    format,
    output_format: outputFormat,
    version,
    inputs: input.size === 0 ? undefined : Object.fromEntries(input),
    outputs: output.length === 0 ? undefined : output,
    pass_through: keep?.split(','),
    csv: hasCsvOptions ? csv : undefined,
    missing:
      missing === undefined || missing.trim() === '' || Number.isNaN(Number(missing)) ? missing : Number(missing),
    encoding: options.encoding,
    limit: options.limit,
    allow_non_finite: options.allowNan === true ? true : undefined,
    max_error_rate: maxErrorRate,
    priority,
    completion_window: window,
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
  // Whoever waits for the file must not take the results of some rows for the results of all.
  const output = batch.status === 'completed' ? out : `${out}.partial`;
  const errors = options.errors ?? `${out}.errors.jsonl`;
  const files = hasResults ? await fetchResults(client, batch, { output, errors }) : undefined;
  const rowsPerSecond = Math.round((completed + failed) / Math.max(seconds, 1e-3));
  terminal.result({ ...batch, seconds: Math.round(seconds * 1_000) / 1_000, rows_per_s: rowsPerSecond, ...files });
  if (files !== undefined) {
    terminal.print(
      `${completed} rows scored in ${seconds.toFixed(1)} s (${rowsPerSecond.toLocaleString('en')} rows/s): ${files.output}`,
    );
    if (files.errors !== undefined) terminal.print(`${failed} rows failed; the reasons are in ${files.errors}`);
  }
  if (batch.status !== 'completed') throw batchFailure(batch);
}
