import { Command } from 'commander';
import { hasEnded, type Batch, type SconceClient } from '@sconce/client';
import type { CliConfig } from '../config.ts';
import { checkOutput } from '../files/output-file.ts';
import { failure } from '../output/failure.ts';
import { integerOption } from '../output/options.ts';
import { Terminal } from '../output/terminal.ts';
import { batchFailure, batchLine, batchText } from '../score/batch-text.ts';
import { fetchResults } from '../score/fetch-results.ts';
import { watchBatch } from '../score/watch-batch.ts';
import { connect } from './connect.ts';

interface Options {
  readonly out: string;
  readonly errors?: string;
  readonly limit: number;
  readonly partial?: boolean;
  readonly json?: boolean;
}

/** `sconce batches`: list, show, watch, cancel, retry, download. */
export function batchesCommand(config: CliConfig): Command {
  const client = (): SconceClient => connect(config);
  const command = new Command('batches')
    .description('list, show, cancel, retry and watch batches, and download their results')
    .addHelpText(
      'after',
      '\nExamples:\n  sconce batches\n  sconce batches show ID\n  sconce batches cancel ID\n  sconce batches retry ID\n  sconce batches download ID -o results.csv',
    );
  command
    .command('list', { isDefault: true })
    .description('list batches, newest first')
    .option('--limit <number>', 'list at most this many', integerOption('--limit', 1, 100_000), 20)
    .option('--json', 'print JSON')
    .action(async ({ limit, json }: Options) => {
      const terminal = new Terminal({ json: json === true });
      const batches: Batch[] = [];
      for await (const batch of client().batches.list()) {
        batches.push(batch);
        if (batches.length === limit) break;
      }
      terminal.result(batches);
      if (batches.length === 0) terminal.print('No batches yet: `sconce score MODEL FILE -o OUT` creates one.');
      else terminal.table(['ID', 'STATUS', 'MODEL', 'ROWS', 'FAILED', 'DONE', 'CREATED'], batches.map(toRow));
    });
  const addCommand = (
    name: string,
    description: string,
    act: (id: string, terminal: Terminal) => Promise<Batch>,
  ): void => {
    command
      .command(name)
      .description(description)
      .argument('<id>')
      .option('--json', 'print JSON')
      .action(async (id: string, { json }: Options) => {
        const terminal = new Terminal({ json: json === true });
        const batch = await act(id, terminal);
        terminal.result(batch);
        terminal.print(name === 'show' ? batchText(batch) : batchLine(batch));
      });
  };
  addCommand('show', 'show the state, rows, times and errors of a batch', (id) => client().batches.get(id));
  addCommand('cancel', 'stop scoring a batch; its results so far can be downloaded', (id) =>
    client().batches.cancel(id),
  );
  addCommand('retry', 'score the rows of a batch that failed, were cancelled or not reached', (id) =>
    client().batches.retry(id),
  );
  addCommand('watch', 'wait until a batch has ended', async (id, terminal) => {
    const watched = await watchBatch(client(), id, terminal);
    return watched.kind === 'ended' ? watched.batch : client().batches.get(id);
  });
  command
    .command('download')
    .description('wait until a batch has ended and download its results')
    .argument('<id>')
    .requiredOption('-o, --out <file>', 'file for the results')
    .option('--errors <file>', 'file for rows that failed, if there are any; default OUT.errors.jsonl')
    .option('--partial', 'do not wait: download the results up to the first row that is not scored yet')
    .option('--json', 'print JSON')
    .action(async (id: string, options: Options) => {
      const terminal = new Terminal({ json: options.json === true });
      await download(client(), { id, options, terminal });
    });
  return command;
}

async function download(
  client: SconceClient,
  { id, options, terminal }: { id: string; options: Options; terminal: Terminal },
): Promise<void> {
  let batch = await client.batches.get(id);
  await checkOutput(options.out, []);
  if (!hasEnded(batch) && options.partial !== true) {
    const watched = await watchBatch(client, id, terminal);
    if (watched.kind === 'detached') {
      const hint = 'Run the command again to wait for it, or add --partial.';
      throw failure('job_not_finished', `Batch ${id} has not ended.`, { hint });
    }
    batch = watched.batch;
  }
  const files = await fetchResults(client, batch, { output: options.out, errors: options.errors });
  terminal.result({ ...batch, ...files });
  terminal.print(`${batchLine(batch)}\n${[files.output, files.errors ?? ''].join('\n').trimEnd()}`);
  if (hasEnded(batch) && batch.status !== 'completed') throw batchFailure(batch);
}

function toRow(batch: Batch): string[] {
  const { completed, failed } = batch.request_counts;
  return [
    batch.id,
    batch.status,
    `${batch.model}/${batch.version}`,
    String(completed),
    failed === 0 ? '' : String(failed),
    `${Math.floor(batch.progress * 100)} %`,
    new Date(batch.created_at * 1_000).toISOString().slice(0, 19),
  ];
}
