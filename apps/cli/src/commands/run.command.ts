import { Command } from 'commander';
import { callOf, encodeSafetensors, formatSpec } from '@sconce/tensor';
import { withModel } from '../offline/model-file.ts';
import { modelOptions, type ModelOptions } from '../offline/model-options.ts';
import { MODEL_FILE, inputFile } from '../files/input-file.ts';
import { outputPath, writeFiles } from '../files/output-file.ts';
import { prepare } from '../offline/runnable-model.ts';
import { readTensors } from '../offline/tensor-file.ts';
import { interruptible } from '../output/interruption.ts';
import { Terminal } from '../output/terminal.ts';

interface Options extends ModelOptions {
  readonly in: string;
  readonly out: string;
  readonly json?: boolean;
}

/** `sconce run`: runs one call of a model file, without a server. */
export function runCommand(): Command {
  return modelOptions(
    new Command('run')
      .description('run one call of a model file, without a server')
      .argument('<file>', 'model.pt or model.onnx'),
  )
    .requiredOption(
      '--in <file>',
      'safetensors file with the inputs, named as in the model or numbered (0, 1, … or in.0, in.1, …)',
    )
    .requiredOption('--out <file>', 'safetensors file to write the outputs to')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  sconce run model.pt --in input.safetensors --out output.safetensors')
    .action(async (file: string, options: Options) => {
      await run(file, options);
    });
}

async function run(file: string, options: Options): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const call = callOf(await readTensors(options.in));
  const path = await outputPath(options.out, [inputFile(file, MODEL_FILE).path]);
  await withModel(file, async (model) => {
    const runnable = await prepare(model, call, options);
    try {
      const outputs = await runnable.run(call);
      const bytes = encodeSafetensors(outputs);
      await interruptible('The run', () => writeFiles([{ path, content: (write) => write(bytes) }]));
      const { warnings } = runnable;
      terminal.result({
        file: path,
        outputs: outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
        warnings,
      });
      for (const warning of warnings) terminal.note(`warning: ${warning}`);
      for (const output of outputs) terminal.print(`output ${output.name}: ${formatSpec(output)}`);
      terminal.print(`wrote  ${path}`);
    } finally {
      await runnable.release();
    }
  });
}
