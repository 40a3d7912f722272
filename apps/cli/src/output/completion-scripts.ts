/** A command, as far as completion needs it. */
export interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  readonly commands: readonly CompletedCommand[];
}

interface CompletedOption {
  /** With its dashes. */
  readonly name: string;
  readonly description: string;
  readonly takesValue: boolean;
  /** The values that it takes; empty if they are not listed. */
  readonly choices: readonly string[];
}

/** A command with the names of those that it belongs to: `models show`. */
interface Place extends CompletedCommand {
  readonly path: string;
}

function places(commands: readonly CompletedCommand[], above = ''): readonly Place[] {
  return commands.flatMap((command) => {
    const path = `${above}${command.name}`;
    return [{ ...command, path }, ...places(command.commands, `${path} `)];
  });
}

/** A script for bash; with `forZsh` one for zsh, which runs functions of bash. */
export function bashCompletion(commands: readonly CompletedCommand[], forZsh: boolean): string {
  const all = places(commands);
  const words = (place: Pick<Place, 'commands' | 'options'>): string =>
    [...place.commands.map(({ name }) => name), ...place.options.map(({ name }) => name), '--help'].join(' ');
  const choices = all.flatMap(({ path, options }) =>
    options.flatMap((option) =>
      option.choices.length === 0 ? [] : [`    '${path} ${option.name}') words='${option.choices.join(' ')}' ;;`],
    ),
  );
  return [
    ...(forZsh ? ['autoload -U +X bashcompinit && bashcompinit'] : []),
    '_sconce() {',
    '  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} path= words= i',
    '  for ((i = 1; i < COMP_CWORD; i++)); do',
    '    case "${path:+$path }${COMP_WORDS[i]}" in',
    `      ${all.map(({ path }) => `'${path}'`).join('|')}) path="\${path:+$path }\${COMP_WORDS[i]}" ;;`,
    '    esac',
    '  done',
    '  case "$path $before" in',
    ...choices,
    '  esac',
    '  if [[ -n $words ]]; then',
    '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '    return',
    '  fi',
    '  case "$path" in',
    `    '') words='${[...commands.map(({ name }) => name), 'help', '--help', '--version'].join(' ')}' ;;`,
    ...all.map((place) => `    '${place.path}') words='${words(place)}' ;;`),
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '  # An argument may be a file.',
    '  if [[ -n $path && $current != -* ]]; then COMPREPLY+=($(compgen -f -- "$current")); fi',
    '}',
    'complete -o filenames -F _sconce sconce',
    '',
  ].join('\n');
}

/** A script for fish. */
export function fishCompletion(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const lines = commands.flatMap(({ name, description }) => [
    `complete -c sconce -f -n "not __fish_seen_subcommand_from ${names}" -a ${name} -d ${quoted(description)}`,
  ]);
  for (const place of places(commands)) {
    const seen = place.path.split(' ').map((name) => `__fish_seen_subcommand_from ${name}`);
    const inside = place.commands.map(({ name }) => name);
    for (const { name, description } of place.commands) {
      const when = [...seen, `not __fish_seen_subcommand_from ${inside.join(' ')}`].join('; and ');
      lines.push(`complete -c sconce -f -n "${when}" -a ${name} -d ${quoted(description)}`);
    }
    for (const { name, description, takesValue, choices } of place.options) {
      const value = takesValue ? (choices.length > 0 ? ` -x -a ${quoted(choices.join(' '))}` : ' -r') : '';
      lines.push(
        `complete -c sconce -n "${seen.join('; and ')}" -l ${name.replace(/^--/, '')}${value} -d ${quoted(description)}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

/** A text of fish: within single quotes only the quote and the backslash are special. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
