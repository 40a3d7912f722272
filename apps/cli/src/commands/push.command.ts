import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { Command } from 'commander';
import type { ModelsClient, ModelVersion } from '@sconce/client';
import type { CliConfig } from '../config.ts';
import { interruptible } from '../output/interruption.ts';
import { describeModel } from '../output/model-text.ts';
import { formatBytes } from '../output/text.ts';
import { Terminal } from '../output/terminal.ts';
import { checkFile, readCases, readPushConfig, toleranceOption, type ToleranceOption } from '../push/push-parts.ts';
import { failedVersionOf, registrationFailure } from '../push/registration-failure.ts';
import { StageLines } from '../push/stage-lines.ts';
import { connect } from './connect.ts';

interface PushOptions {
  readonly name: string;
  readonly version?: string;
  readonly pool?: string;
  readonly config?: string;
  readonly cases?: string;
  readonly tolerance?: ToleranceOption;
  readonly json?: boolean;
}

/** `sconce push`: upload a model and wait until it is served. */
export function pushCommand(config: CliConfig): Command {
  return new Command('push')
    .description('upload a model file and wait until it is proved and ready to serve')
    .argument('<file>', 'the model: a TorchScript or ONNX file')
    .requiredOption('--name <name>', 'name to serve it under')
    .option('--version <number>', 'version number; default the next free one')
    .option('--pool <pool>', 'the workers that serve it')
    .option('--config <file>', 'what the file does not say; default config.json beside it, where there is one')
    .option('--cases <file>', 'safetensors file of calls with PyTorch’s outputs, which the model has to give')
    .option('--tolerance <rtol[,atol]>', 'how far outputs may be from the cases’', toleranceOption)
    .option('--json', 'print the version as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  sconce push model.pt --name digits\n  sconce push model.pt --name digits --cases cases.safetensors',
    )
    .action(async (file: string, options: PushOptions) => {
      await interruptible('The push', (signal) => push(config, file, options, signal));
    });
}

async function push(config: CliConfig, file: string, options: PushOptions, signal: AbortSignal): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const { size } = checkFile(file, 'a model file: model.pt or model.onnx');
  const given = readPushConfig(file, options);
  const cases = options.cases === undefined ? undefined : readCases(options.cases);
  const { models } = connect(config);
  if (given.file !== undefined && options.config === undefined) terminal.note(`config: ${given.file}`);
  const bar = terminal.progress('uploading', size, 'bytes');
  const body = Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>;
  const pushed = await models
    .push(options.name, body, {
      onProgress: bar.update,
      signal,
      ...(options.version === undefined ? {} : { version: options.version }),
      ...(options.pool === undefined ? {} : { pool: options.pool }),
      ...(given.config === undefined ? {} : { config: given.config }),
      ...(cases === undefined ? {} : { cases }),
    })
    .finally(bar.stop);
  terminal.note(`uploaded ${formatBytes(size)} as ${pushed.name} version ${pushed.version}`);
  const model = await register(models, pushed, terminal, signal);
  terminal.result(model);
  terminal.print(describeModel(model));
}

/** Shows the stages until the version is ready. @throws SconceError `model_invalid`, with what to do about it. */
async function register(
  models: ModelsClient,
  pushed: ModelVersion,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<ModelVersion> {
  const stages = new StageLines({
    write: (text) => {
      if (!terminal.json) process.stderr.write(text);
    },
    watched: process.stderr.isTTY,
  });
  // The server's clock: polls come late.
  const show = ({ status, updated_at }: ModelVersion): void => {
    stages.enter(status, Date.parse(updated_at));
  };
  show(pushed);
  try {
    return await models.waitUntilReady(pushed.name, pushed.version, {
      signal,
      onStatus: (_, model) => {
        show(model);
      },
    });
  } catch (error) {
    const failed = failedVersionOf(error);
    if (failed === undefined) throw error;
    terminal.result(failed);
    // The error itself comes last, as of every command.
    const { error: _, ...found } = failed;
    if (found.signature !== undefined || found.parity !== undefined) terminal.note(describeModel(found));
    throw registrationFailure(failed);
  } finally {
    stages.leave();
  }
}
