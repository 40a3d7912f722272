import type { Command } from 'commander';
import type { TensorInput } from '@sconce/torchscript';
import { collect, parseArgument, parseInput } from './input-options.ts';

/** What commands that compile take: how the model's inputs look, and arguments fixed at compile time. */
export interface ModelOptions {
  readonly inputs: ReadonlyMap<string, TensorInput>;
  readonly args: ReadonlyMap<string, null | boolean | bigint | number | string>;
  readonly method?: string;
}

/** Adds `--input`, `--arg` and `--method`; commander names the options' values `inputs`, `args` and `method`. */
export function modelOptions(command: Command): Command {
  return command
    .option(
      '--input <name:dtype[sizes]>',
      'how an input looks, where the file does not say; -1 is a free axis; may be repeated',
      collect(parseInput),
      new Map(),
    )
    .option('--arg <name=value>', 'an argument that is fixed when the model is compiled; may be repeated', collect(parseArgument), new Map())
    .option('--method <name>', 'the method to compile (default: forward)')
    .hook('preAction', (_, action) => {
      const { input, arg } = action.opts<{ input: unknown; arg: unknown }>();
      action.setOptionValue('inputs', input);
      action.setOptionValue('args', arg);
    });
}
