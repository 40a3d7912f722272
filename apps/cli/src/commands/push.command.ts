import { createReadStream, statSync, type Stats } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { Command } from 'commander';
import { SconceClient } from '@sconce/client';
import type { CliConfig } from '../config.ts';
import { UsageError } from '../output/failure.ts';
import { describeModel, formatBytes } from '../output/model-text.ts';
import { Terminal } from '../output/terminal.ts';

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
      await push(config, file, options);
    });
}

async function push(config: CliConfig, file: string, options: PushOptions): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const { size } = checkFile(file);
  const client = new SconceClient({ url: config.url });
  const bar = terminal.progress('uploading', size, 'bytes');
  let sent = 0;
  const counted = createReadStream(file).pipe(
    new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        sent += chunk.byteLength;
        bar.update(sent);
        done(null, chunk);
      },
    }),
  );
  let pushed;
  try {
    pushed = await client.models.push(options.name, Readable.toWeb(counted) as ReadableStream<Uint8Array>, {
      ...(options.version === undefined ? {} : { version: options.version }),
      ...(options.pool === undefined ? {} : { pool: options.pool }),
    });
  } finally {
    bar.stop();
  }
  terminal.note(`uploaded ${formatBytes(size)} as ${pushed.name} version ${pushed.version}`);
  const model = await client.models.waitUntilReady(pushed.name, pushed.version, {
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
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'can’t be read';
    throw new UsageError(`${file} ${why}.`, 'Give the path of a model file, e.g. model.onnx.');
  }
  if (!stats.isFile())
    throw new UsageError(`${file} is not a file.`, 'Give the path of a model file, e.g. model.onnx.');
  if (stats.size === 0) throw new UsageError(`${file} is empty.`, 'Export the model again.');
  return stats;
}
