import { Command, CommanderError } from 'commander';
import { batchesCommand } from './commands/batches.command.ts';
import { benchCommand } from './commands/bench.command.ts';
import { demoCommand } from './commands/demo.command.ts';
import { keysCommand } from './commands/keys.command.ts';
import { inferCommand } from './commands/infer.command.ts';
import { modelsCommand } from './commands/models.command.ts';
import { pushCommand } from './commands/push.command.ts';
import { scoreCommand } from './commands/score.command.ts';
import { traceCommand } from './commands/trace.command.ts';
import { upCommand } from './commands/up.command.ts';
import type { CliConfig } from './config.ts';
import { reportFailure } from './output/failure.ts';
import { oneLine } from './output/text.ts';

const VERSION = '0.1.0';

const CLIENT_COMMANDS = [
  pushCommand,
  modelsCommand,
  inferCommand,
  scoreCommand,
  batchesCommand,
  traceCommand,
  benchCommand,
  keysCommand,
];

/** Runs the command line. Returns the exit code: 0, 1 (the work failed) or 2 (bad usage). */
export async function runProgram(argv: readonly string[], config: CliConfig): Promise<0 | 1 | 2> {
  const stderr = (text: string): void => {
    process.stderr.write(text);
  };
  const program = new Command('sconce')
    .description('Runs compiled PyTorch models at scale, without Python.')
    .version(VERSION)
    .showHelpAfterError(false)
    // Otherwise the program's own --version would also match the --version of `push`, `infer` and `models`.
    .enablePositionalOptions()
    .addHelpText('after', `\nClient commands talk to SCONCE_URL (${config.url}).`);
  for (const command of [demoCommand, upCommand, ...(await offlineCommands(argv)), ...CLIENT_COMMANDS]) {
    program.addCommand(command(config));
  }
  prepareCommand(program);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(error, stderr);
    // Help and --version end here too, with exit code 0.
    if (error.exitCode === 0) return 0;
    if (error.code === 'commander.help') return 2;
    const name = program.commands.find((command) => command.name() === argv[0])?.name();
    const hint =
      name === undefined
        ? 'Run `sconce --help` to see the commands.'
        : `Run \`sconce ${name} --help\` to see its arguments and options.`;
    stderr(`${oneLine(error.message)}\n${hint}\n`);
    return 2;
  }
}

/** The commands that need the compiler. It loads slowly, so it is loaded only when one of them may be meant. */
async function offlineCommands([first]: readonly string[]): Promise<(() => Command)[]> {
  if (
    ['--version', 'demo', 'up', 'push', 'models', 'infer', 'score', 'batches', 'trace', 'bench', 'keys'].includes(
      first ?? '',
    )
  )
    return [];
  return (await import('./commands/offline-commands.ts')).OFFLINE_COMMANDS;
}

/** Makes commander throw its errors instead of printing them and ending the process, and print empty lists as "none". */
function prepareCommand(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => undefined });
  for (const option of command.options) {
    const value: unknown = option.defaultValue;
    if ((Array.isArray(value) && value.length === 0) || value instanceof Map) option.defaultValueDescription = 'none';
  }
  for (const child of command.commands) prepareCommand(child);
}
