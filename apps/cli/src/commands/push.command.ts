import { accessSync, constants, createReadStream, statSync, type Stats } from 'node:fs';
import { Readable } from 'node:stream';
import { Command } from 'commander';
import type { CliConfig } from '../config.ts';
import { UsageError } from '../output/failure.ts';
import { interruptible } from '../output/interruption.ts';
import { describeModel, formatBytes } from '../output/model-text.ts';
import { Terminal } from '../output/terminal.ts';
import { connect } from './connect.ts';

interface PushOptions {
  readonly name: string;
  readonly version?: string;
  readonly pool?: string;
  readonly json?: boolean;
}

/** `sconce push`: upload a model and wait until it is served. */
export function pushCommand(config: CliConfig): Command {
  return new Command('push')
    .description('upload a model file and wait until it is ready to serve')
    .argument('<file>', 'the model: an ONNX file')
    .requiredOption('--name <name>', 'name to serve it under')
    .option('--version <number>', 'version number; default the next free one')
    .option('--pool <pool>', 'the workers that serve it')
    .option('--json', 'print the version as JSON')
    .addHelpText('after', '\nExample:\n  sconce push model.onnx --name digits')
    .action(async (file: string, options: PushOptions) => {
      await interruptible('The push', (signal) => push(config, file, options, signal));
    });
}

async function push(config: CliConfig, file: string, options: PushOptions, signal: AbortSignal): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const { size } = checkFile(file);
  const { models } = connect(config);
  const bar = terminal.progress('uploading', size, 'bytes');
  const body = Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>;
  const { name, version } = await models
    .push(options.name, body, {
      onProgress: bar.update,
      signal,
      ...(options.version === undefined ? {} : { version: options.version }),
      ...(options.pool === undefined ? {} : { pool: options.pool }),
    })
    .finally(bar.stop);
  terminal.note(`uploaded ${formatBytes(size)} as ${name} version ${version}`);
  const model = await models.waitUntilReady(name, version, {
    signal,
    onStatus: (status) => {
      terminal.note(`  ${status}`);
    },
  });
  terminal.result(model);
  terminal.print(describeModel(model));
}

function checkFile(file: string): Stats {
  let stats: Stats;
  try {
    stats = statSync(file);
    accessSync(file, constants.R_OK);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'can’t be read';
    throw new UsageError(`${file} ${why}.`, 'Give the path of a model file, e.g. model.onnx.');
  }
  if (!stats.isFile())
    throw new UsageError(`${file} is not a file.`, 'Give the path of a model file, e.g. model.onnx.');
  if (stats.size === 0) throw new UsageError(`${file} is empty.`, 'Export the model again.');
  return stats;
}
