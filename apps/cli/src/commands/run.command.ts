import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { encodeSafetensors, formatSpec, type Tensor } from '@sconce/tensor';
import { readTensors } from '../offline/cases.ts';
import { modelOptions, type ModelOptions } from '../offline/model-options.ts';
import { openModel, prepare } from '../offline/offline-model.ts';
import { Terminal } from '../output/terminal.ts';

interface Options extends ModelOptions {
  readonly in: string;
  readonly out: string;
  readonly json?: boolean;
}

/** `sconce run`: one call, offline. */
export function runCommand(): Command {
  return modelOptions(
    new Command('run').description('run one call of a model file, without a server').argument('<file>', 'model.pt or model.onnx'),
  )
    .requiredOption('--in <file>', 'safetensors file with the inputs: by name, or in order (0, 1, … or in.0, in.1, …)')
    .requiredOption('--out <file>', 'safetensors file to write the outputs to')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  sconce run model.pt --in input.safetensors --out output.safetensors')
    .action(async (file: string, options: Options) => {
      await run(file, options);
    });
}

async function run(file: string, options: Options): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const inputs = inOrder(await readTensors(options.in));
  const model = await openModel(file);
  try {
    const runnable = await prepare(model, inputs, options);
    try {
      for (const warning of runnable.warnings) terminal.note(`warning: ${warning}`);
      const outputs = await runnable.run(inputs);
      await writeFile(options.out, encodeSafetensors(outputs));
      const specs = outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape }));
      terminal.result({ outputs: specs, file: options.out, warnings: runnable.warnings });
      terminal.print(`${specs.map(formatSpec).join(', ')} → ${options.out}`);
    } finally {
      await runnable.release();
    }
  } finally {
    await model.source.close();
  }
}

/** Tensors whose names end in a number are in that order; others in the file's. */
function inOrder(tensors: ReadonlyMap<string, Tensor>): Tensor[] {
  const all = [...tensors.values()];
  const index = ({ name }: Tensor): number => Number(/(?:^|\.)(\d+)$/.exec(name)?.[1] ?? NaN);
  return all.some((tensor) => Number.isNaN(index(tensor))) ? all : all.sort((a, b) => index(a) - index(b));
}
