import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { Command } from 'commander';
import type { ModelsClient, ModelVersion } from '@sconce/client';
import type { CliConfig } from '../config.ts';
import { MODEL_FILE, nonEmptyFile } from '../files/input-file.ts';
import { interruptible } from '../output/interruption.ts';
import { describeModel } from '../output/model-text.ts';
import { formatBytes } from '../output/text.ts';
import { Terminal } from '../output/terminal.ts';
import { readCases, readPushConfig, toleranceOption, type ToleranceOption } from '../push/push-parts.ts';
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

/** `sconce push`: uploads a model file and waits until it is ready. */
export function pushCommand(config: CliConfig): Command {
  return new Command('push')
    .description('upload a model file and wait until it is compiled, proved and ready')
    .argument('<file>', 'model file: TorchScript (.pt) or ONNX (.onnx)')
    .requiredOption('--name <name>', 'name of the model on the server')
    .option('--version <number>', 'version number; default: the next free one')
    .option('--pool <pool>', 'pool of workers that serves the model; default: default')
    .option(
      '--config <file>',
      'facts that the model file does not have; default: config.json beside it, if there is one',
    )
    .option('--cases <file>', 'safetensors file with calls and PyTorch’s outputs; the model must give the same outputs')
    .option('--tolerance <rtol[,atol]>', 'how much outputs may differ from those of the cases', toleranceOption)
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
  const { size } = nonEmptyFile(file, MODEL_FILE);
  const { file: configFile, config: modelConfig } = readPushConfig(file, options);
  const cases = options.cases === undefined ? undefined : readCases(options.cases);
  const { models } = connect(config);
  if (configFile !== undefined && options.config === undefined) terminal.note(`config: ${configFile}`);
  const bar = terminal.progress('uploading', size, 'bytes');
  const body = Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>;
  const pushed = await models
    .push(options.name, body, {
      onProgress: bar.update,
      signal,
      version: options.version,
      pool: options.pool,
      config: modelConfig,
      cases,
    })
    .finally(bar.stop);
  terminal.note(`uploaded ${formatBytes(size)} as ${pushed.name} version ${pushed.version}`);
  const model = await showRegistration(models, pushed, { terminal, signal });
  terminal.result(model);
  terminal.print(describeModel(model));
}

/** Shows the stages until the version is ready. @throws SconceError `model_invalid`, with a hint about what to do. */
async function showRegistration(
  models: ModelsClient,
  pushed: ModelVersion,
  { terminal, signal }: { readonly terminal: Terminal; readonly signal: AbortSignal },
): Promise<ModelVersion> {
  const stages = new StageLines({
    write: (text) => {
      if (!terminal.json) process.stderr.write(text);
    },
    watched: process.stderr.isTTY,
  });
  // Times come from the server, because a poll sees a stage later than it began.
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
    // The error is printed last, as in every command.
    const { error: _, ...found } = failed;
    if (found.signature !== undefined || found.parity !== undefined) terminal.note(describeModel(found));
    throw registrationFailure(failed);
  } finally {
    stages.leave();
  }
}
