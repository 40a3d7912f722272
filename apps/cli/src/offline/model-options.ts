import type { Command } from 'commander';
import { isPartOf } from '@sconce/tensor';
import { Program, type CompileOptions, type TensorInput, type TorchScriptArchive } from '@sconce/torchscript';
import { UsageError } from '../output/failure.ts';
import { collect } from '../output/options.ts';
import { parseArgument, parseInput, type FixedArgument } from './input-options.ts';

/** Options of commands that compile: dtypes and shapes of inputs, and arguments with fixed values. */
export interface ModelOptions {
  readonly input: ReadonlyMap<string, TensorInput>;
  readonly arg: ReadonlyMap<string, FixedArgument>;
  readonly method?: string;
}

/** Adds `--input`, `--arg` and `--method`. */
export function modelOptions(command: Command): Command {
  return command
    .option(
      '--input <name:dtype[sizes]>',
      'dtype and shape of an input, if the file does not have them; -1 is a free axis; may be repeated',
      collect(parseInput),
      new Map(),
    )
    .option(
      '--arg <name=value>',
      'fix the value of an argument when the model is compiled; may be repeated',
      collect(parseArgument),
      new Map(),
    )
    .option('--method <name>', 'the method to compile (default: forward)');
}

/**
 * The options for the compiler.
 *
 * @throws UsageError for a method, argument or input that the model does not have.
 */
export function compileOptions(archive: TorchScriptArchive, options: ModelOptions): CompileOptions {
  const { input, arg, method } = options;
  const methods = new Program(archive.sources).findClass(archive.root.className)?.methods ?? [];
  const chosen = methods.find(({ name }) => name === (method ?? 'forward'));
  if (chosen === undefined) {
    // Without --method the compiler reports that the model has no `forward`.
    if (method === undefined) return { inputs: input, args: arg };
    throw new UsageError(
      `The model has no method ${method}.`,
      `Its methods are: ${methods.map(({ name }) => name).join(', ') || 'none'}.`,
    );
  }
  const params = chosen.params.slice(1).map(({ name }) => name);
  const takes = `Its method ${chosen.name} takes ${params.length === 0 ? 'no arguments' : params.join(', ')}.`;
  for (const name of input.keys()) {
    if (!params.some((param) => isPartOf(name, param))) throw new UsageError(`The model has no input ${name}.`, takes);
  }
  for (const name of arg.keys()) {
    if (!params.includes(name)) throw new UsageError(`The model has no argument ${name}.`, takes);
  }
  return { inputs: input, args: arg, method };
}

/** @throws UsageError if options are given that have no meaning for an ONNX file. */
export function refuseModelOptions({ input, arg, method }: ModelOptions): void {
  if (input.size === 0 && arg.size === 0 && method === undefined) return;
  throw new UsageError(
    '--input, --arg and --method are for TorchScript files.',
    'An ONNX file has all these facts: leave the options out.',
  );
}
