import { Command, Option } from 'commander';
import type { Job, JobFilter, SconceClient } from '@sconce/client';
import { JOB_STATUSES } from '@sconce/contracts';
import type { CliConfig } from '../config.ts';
import { UsageError, failure } from '../output/failure.ts';
import { integerOption } from '../output/options.ts';
import { printOutputs } from '../output/outputs-text.ts';
import { Terminal } from '../output/terminal.ts';
import { connect } from './connect.ts';

interface Options {
  readonly json?: boolean;
}

interface ListOptions extends Options {
  readonly status?: Job['status'];
  readonly model?: string;
  readonly since?: string;
  readonly limit: number;
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `sconce jobs`: list, show, wait, result, cancel, remove. */
export function jobsCommand(config: CliConfig): Command {
  const client = (): SconceClient => connect(config);
  const command = new Command('jobs')
    .description('list, show, wait for, cancel and remove jobs (asynchronous requests), and print their outputs')
    .addHelpText(
      'after',
      '\nExamples:\n  sconce infer affine --in request.json --async\n  sconce jobs --status failed --since 1h\n  sconce jobs result ID',
    );
  command
    .command('list', { isDefault: true })
    .description('list jobs, newest first')
    .addOption(new Option('--status <status>', 'jobs of this status').choices(JOB_STATUSES))
    .option('--model <name>', 'jobs of this model')
    .option('--since <time>', 'jobs of this time before now (30s, 15m, 2h, 7d), or since a time (2026-01-31T08:00Z)')
    .option('--limit <number>', 'list at most this many', integerOption('--limit', 1, 100_000), 20)
    .option('--json', 'print JSON')
    .action(async (options: ListOptions) => {
      await list(client(), options);
    });
  const addCommand = (
    name: string,
    description: string,
    act: (id: string, terminal: Terminal) => Promise<Job | undefined>,
  ): void => {
    command
      .command(name)
      .description(description)
      .argument('<id>')
      .option('--json', 'print JSON')
      .action(async (id: string, { json }: Options) => {
        const terminal = new Terminal({ json: json === true });
        const job = await act(id, terminal);
        if (job === undefined) return;
        terminal.result(job);
        terminal.print(name === 'show' ? jobText(job) : jobLine(job));
      });
  };
  addCommand('show', 'show the status, times and error of a job', (id) => client().jobs.get(id));
  addCommand('wait', 'wait until a job has ended; fails if the job failed', (id) => client().jobs.wait(id));
  addCommand('result', 'wait until a job has ended, and print its outputs', async (id, terminal) => {
    const { jobs } = client();
    await jobs.wait(id);
    printOutputs(terminal, await jobs.result(id), { job_id: id });
    return undefined;
  });
  addCommand('cancel', 'cancel a job that has not ended', async (id) => {
    const { jobs } = client();
    const { status } = await jobs.get(id);
    if (status !== 'queued' && status !== 'running') {
      const hint = `\`sconce jobs remove ${id}\` removes it with its result.`;
      throw failure('invalid_request', `Job ${id} has ended (${status}), so it cannot be cancelled.`, { hint });
    }
    return jobs.cancel(id);
  });
  addCommand('remove', 'remove a job that has ended, with its result', async (id) => {
    const { jobs } = client();
    const { status } = await jobs.get(id);
    if (status === 'queued' || status === 'running') {
      const hint = `\`sconce jobs cancel ${id}\` cancels it.`;
      throw failure('job_not_finished', `Job ${id} is ${status}, so it cannot be removed.`, { hint });
    }
    return jobs.cancel(id);
  });
  return command;
}

async function list(client: SconceClient, { status, model, since, limit, json }: ListOptions): Promise<void> {
  const terminal = new Terminal({ json: json === true });
  const filter: JobFilter = {
    ...(status && { status }),
    ...(model && { model }),
    ...(since && { createdFrom: readSince(since) }),
  };
  const jobs: Job[] = [];
  for await (const job of client.jobs.list(filter)) {
    jobs.push(job);
    if (jobs.length === limit) break;
  }
  terminal.result(jobs);
  const isFiltered = Object.keys(filter).length > 0;
  if (jobs.length > 0) terminal.table(['ID', 'STATUS', 'MODEL', 'AGE', 'SECONDS'], jobs.map(toRow));
  else if (isFiltered) terminal.print('No such jobs.');
  else terminal.print('No jobs yet: `sconce infer MODEL --in FILE --async` creates one.');
}

/** A time before now, or a time. @throws UsageError. */
function readSince(text: string): Date {
  const [, count, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const time = new Date(count === undefined ? text : Date.now() - Number(count) * (UNIT_MS[unit] ?? 0));
  if (Number.isFinite(time.getTime()) && time.getTime() >= 0) return time;
  throw new UsageError(
    `--since takes a time such as 30s, 15m, 2h, 7d or 2026-01-31T08:00Z, not "${text}".`,
    'Run the command with --help to see its options.',
  );
}

function toRow(job: Job): string[] {
  const { accepted, finished } = job.timestamps_ms;
  return [
    job.id,
    job.status,
    `${job.model}/${job.version}`,
    age(Date.now() - accepted),
    finished === undefined ? '' : ((finished - accepted) / 1_000).toFixed(3),
  ];
}

/** A time span in its largest whole unit: `42s`, `3m`, `2h`, `5d`. */
function age(ms: number): string {
  const [unit, unitMs] = Object.entries(UNIT_MS).findLast(([, size]) => ms >= size) ?? ['s', 1_000];
  return `${Math.max(0, Math.floor(ms / unitMs))}${unit}`;
}

/** A job in one line. */
function jobLine(job: Job): string {
  return `${job.id}  ${job.status}  ${job.model} version ${job.version}`;
}

/** All facts about a job, for people. */
function jobText(job: Job): string {
  const times = Object.entries(job.timestamps_ms).flatMap(([name, ms]) =>
    ms === undefined ? [] : [`${name} ${new Date(ms).toISOString()}`],
  );
  const { timing, error, trace_id: trace } = job;
  return [
    `${job.id}: ${job.status}`,
    `  model      ${job.model} version ${job.version}`,
    `  times      ${times.join(', ')}`,
    ...(timing === undefined
      ? []
      : [`  timing     queue ${timing.queue_ms} ms, batch ${timing.batch_ms} ms, run ${timing.run_ms} ms`]),
    ...(error === undefined ? [] : [`  error      ${error.code}: ${error.message}`]),
    ...(trace === undefined ? [] : [`  trace      ${trace}`]),
  ].join('\n');
}
