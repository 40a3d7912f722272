import { Command } from 'commander';
import type { ModelSettings, Model, SconceClient } from '@sconce/client';
import { Terminal } from '../output/terminal.ts';

interface StateCommand<O> {
  readonly name: string;
  readonly description: string;
  /** Flags and descriptions. */
  readonly options?: readonly { readonly flags: string; readonly description: string; readonly required?: boolean }[];
  readonly settings: (options: O) => Partial<ModelSettings>;
}

const COMMANDS: readonly StateCommand<{ version: string; off?: boolean }>[] = [
  {
    name: 'use',
    description: 'choose the version that answers requests without a version',
    options: [{ flags: '--version <number>', description: 'a version that is ready, or `latest`', required: true }],
    settings: ({ version }) => ({ default_version: version }),
  },
  { name: 'load', description: 'serve a model again; ends a quarantine', settings: () => ({ loaded: true }) },
  {
    name: 'unload',
    description: 'stop serving a model and free its memory; its versions stay',
    settings: () => ({ loaded: false }),
  },
  {
    name: 'keep',
    description: 'keep a model in memory when others need room',
    options: [{ flags: '--off', description: 'let it be unloaded again when others need room' }],
    settings: ({ off }) => ({ keep_loaded: off !== true }),
  },
];

/** `sconce models use | load | unload | keep`: each changes one setting and prints the state of the model. */
export function modelStateCommands(client: () => SconceClient): Command[] {
  return COMMANDS.map(({ name, description, options = [], settings }) => {
    const command = new Command(name).description(description).argument('<name>');
    for (const { flags, description: text, required } of options) {
      if (required === true) command.requiredOption(flags, text);
      else command.option(flags, text);
    }
    return command
      .option('--json', 'print JSON')
      .action(async (model: string, given: { version: string; off?: boolean; json?: boolean }) => {
        const terminal = new Terminal({ json: given.json === true });
        const state = await client().modelStates.set(model, settings(given));
        terminal.result(state);
        terminal.print(describeState(state));
      });
  });
}

/** A model's state in one line. */
export function describeState({ name, loaded, serving, default_version, keep_loaded }: Model): string {
  const kept = keep_loaded ? ', kept in memory' : '';
  if (!loaded) return `${name} is unloaded${kept}; \`sconce models load ${name}\` serves it again`;
  if (serving === null) return `${name} serves no version: none is ready${kept}`;
  return `${name} serves version ${serving} (${default_version === 'latest' ? 'the latest' : 'pinned'})${kept}`;
}
