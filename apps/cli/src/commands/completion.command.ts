import { Argument, Command, type Option } from 'commander';
import { bashCompletion, fishCompletion, type CompletedCommand } from '../output/completion-scripts.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** `sconce completion`: prints a script with which a shell completes commands and options. */
export function completionCommand(loadAll: () => Promise<readonly Command[]>): Command {
  return new Command('completion')
    .description('print a script that completes commands and options in a shell')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .addHelpText(
      'after',
      '\nExamples:\n  source <(sconce completion bash)      # in ~/.bashrc\n  source <(sconce completion zsh)       # in ~/.zshrc, after compinit\n  sconce completion fish | source       # in ~/.config/fish/config.fish',
    )
    .action(async (shell: string) => {
      const commands = (await loadAll()).map(describe);
      process.stdout.write(shell === 'fish' ? fishCompletion(commands) : bashCompletion(commands, shell === 'zsh'));
    });
}

/** What a shell needs to know of a command. */
function describe(command: Command): CompletedCommand {
  return {
    name: command.name(),
    description: command.description(),
    options: command.options
      .filter(({ long, hidden }) => long !== undefined && long !== null && !hidden)
      .map((option) => ({
        name: option.long ?? '',
        description: option.description,
        takesValue: takesValue(option),
        // Punctuation would have to be quoted in each shell, and saves no typing.
        choices: (option.argChoices ?? []).filter((choice) => /^[\w-]+$/.test(choice)),
      })),
    commands: command.commands.map(describe),
  };
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}
