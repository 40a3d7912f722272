import { Command } from 'commander';
import type { ListedVersion, Model, SconceClient } from '@sconce/client';
import { formatSpec, type TensorSpec } from '@sconce/tensor';
import type { CliConfig } from '../config.ts';
import { describeModel } from '../output/model-text.ts';
import { formatBytes } from '../output/text.ts';
import { Terminal } from '../output/terminal.ts';
import { connect } from './connect.ts';
import { modelStateCommands } from './model-state-commands.ts';

interface Options {
  readonly version?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `sconce models`: list, show, use, load, unload, keep, remove. */
export function modelsCommand(config: CliConfig): Command {
  const client = (): SconceClient => connect(config);
  const command = new Command('models')
    .description('list, show and remove models; choose the served version')
    .addHelpText(
      'after',
      '\nExamples:\n  sconce models\n  sconce models show digits\n  sconce models use digits --version 1\n  sconce models remove digits --version 2',
    );
  command
    .command('list', { isDefault: true })
    .description('list all versions of all models')
    .option('--json', 'print JSON')
    .action(async (options: Options) => {
      const terminal = new Terminal({ json: options.json === true });
      const models = await client().modelStates.list();
      terminal.result(models);
      if (models.length === 0) terminal.print('No models yet: `sconce push FILE --name NAME` adds one.');
      else
        terminal.table(
          ['NAME', 'VERSION', 'STATUS', 'SERVING', 'BATCH', 'DISK', 'INPUTS', 'OUTPUTS'],
          models.map(toRow),
        );
    });
  command
    .command('show')
    .description('show inputs, outputs, status and speed of a model')
    .argument('<name>')
    .option('--version <number>', 'one version only')
    .option('--json', 'print JSON')
    .action(async (name: string, options: Options) => {
      const terminal = new Terminal({ json: options.json === true });
      const { models } = client();
      const versions =
        options.version === undefined ? await models.versions(name) : [await models.get(name, options.version)];
      terminal.result({ name, versions });
      terminal.print(versions.map(describeModel).join('\n'));
    });
  command
    .command('remove')
    .description('remove a model, or one version of it')
    .argument('<name>')
    .option('--version <number>', 'one version only')
    .option('--force', 'remove it even if it is in use: its requests and jobs then fail')
    .option('--json', 'print JSON')
    .action(async (name: string, options: Options) => {
      const terminal = new Terminal({ json: options.json === true });
      const { models, modelStates } = client();
      const versions =
        options.version === undefined ? inOrderOfRemoval(await modelStates.get(name)) : [options.version];
      for (const version of versions) await models.remove(name, version, { force: options.force === true });
      terminal.result({ name, removed: versions });
      terminal.print(`removed ${name} version ${versions.join(', ')}`);
    });
  for (const child of modelStateCommands(client)) command.addCommand(child);
  return command;
}

/** The version that is most likely in use comes first: if the server refuses to remove it, no version was removed yet. */
function inOrderOfRemoval({ default_version: pinned, serving, versions }: Model): string[] {
  const isFirst = ({ version }: ListedVersion): boolean => version === pinned || version === serving;
  return [...versions.filter(isFirst), ...versions.filter((version) => !isFirst(version)).toReversed()].map(
    ({ version }) => version,
  );
}

function toRow(model: ListedVersion): string[] {
  const specs = (list: readonly TensorSpec[] = []): string =>
    list.map((spec) => `${spec.name} ${formatSpec(spec)}`).join(', ');
  return [
    model.name,
    model.version,
    model.quarantined === undefined ? model.status : 'quarantined',
    model.serving ? 'yes' : '',
    model.batch?.axis ?? '',
    formatBytes(model.disk_bytes),
    specs(model.signature?.inputs),
    specs(model.signature?.outputs),
  ];
}
