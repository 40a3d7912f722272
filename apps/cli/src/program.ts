import { Command, CommanderError } from 'commander';
import type { CliConfig } from './config.ts';
import { reportFailure } from './output/failure.ts';
import { oneLine } from './output/text.ts';

const VERSION = '0.1.0';

type MakeCommand = (config: CliConfig) => Command;

/** Each command is loaded when it may be meant: together they take three times as long to load as `up` does. */
const COMMANDS: Readonly<Record<string, () => Promise<MakeCommand>>> = {
  demo: async () => (await import('./commands/demo.command.ts')).demoCommand,
  up: async () => (await import('./commands/up.command.ts')).upCommand,
  serve: async () => (await import('./commands/serve.command.ts')).serveCommand,
  inspect: async () => (await import('./commands/inspect.command.ts')).inspectCommand,
  compile: async () => (await import('./commands/compile.command.ts')).compileCommand,
  check: async () => (await import('./commands/check.command.ts')).checkCommand,
  run: async () => (await import('./commands/run.command.ts')).runCommand,
  push: async () => (await import('./commands/push.command.ts')).pushCommand,
  models: async () => (await import('./commands/models.command.ts')).modelsCommand,
  infer: async () => (await import('./commands/infer.command.ts')).inferCommand,
  jobs: async () => (await import('./commands/jobs.command.ts')).jobsCommand,
  score: async () => (await import('./commands/score.command.ts')).scoreCommand,
  batches: async () => (await import('./commands/batches.command.ts')).batchesCommand,
  trace: async () => (await import('./commands/trace.command.ts')).traceCommand,
  bench: async () => (await import('./commands/bench.command.ts')).benchCommand,
  keys: async () => (await import('./commands/keys.command.ts')).keysCommand,
  completion: async () => {
    const { completionCommand } = await import('./commands/completion.command.ts');
    return (config) => completionCommand(async () => (await loadAll()).map((make) => make(config)));
  },
};

const loadAll = (): Promise<readonly MakeCommand[]> => Promise.all(Object.values(COMMANDS).map((load) => load()));

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
  for (const command of await commandsFor(argv)) program.addCommand(command(config));
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

/** The command that is meant; all of them for help and for names that do not exist. */
async function commandsFor([first = '']: readonly string[]): Promise<readonly MakeCommand[]> {
  if (first === '--version' || first === '-V') return [];
  const meant = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
  return meant === undefined ? loadAll() : [await meant()];
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
