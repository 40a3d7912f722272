import { Command } from 'commander';
import { SCOPES, hashSecret, newSecret, type ApiKey, type Scope } from '@sconce/keys';
import { UsageError } from '../output/failure.ts';
import { integerOption, numberOption } from '../output/options.ts';
import { Terminal } from '../output/terminal.ts';

interface Options {
  readonly scopes: readonly Scope[];
  readonly requestsPerSecond?: number;
  readonly maxOutstanding?: number;
  readonly maxBacklog?: number;
  readonly expires?: string;
}

/** `sconce keys`: make API keys. Offline: nothing is sent anywhere. */
export function keysCommand(): Command {
  const command = new Command('keys').description('API keys, for the file that SCONCE_KEYS_FILE names');
  command
    .command('create')
    .description('print a new secret on stderr, and its entry for the file of keys on stdout')
    .argument('<id>', 'names the key in logs')
    .requiredOption('--scopes <list>', `what it may do, separated by commas: ${SCOPES.join(', ')}`, parseScopes)
    .option('--requests-per-second <number>', 'of each API process', numberOption('--requests-per-second'))
    .option(
      '--max-outstanding <number>',
      'requests under way at once, at each API process',
      integerOption('--max-outstanding', 1, 1_000_000),
    )
    .option(
      '--max-backlog <number>',
      'jobs and batches that have not ended, over all API processes',
      integerOption('--max-backlog', 1, 1_000_000),
    )
    .option('--expires <time>', 'when it ends to hold, as ISO 8601: 2027-01-31T00:00:00Z')
    .addHelpText(
      'after',
      '\nExample:\n  sconce keys create ci --scopes infer,batch\nThe file holds {"keys": [ENTRY, …]}. The API reads it again when it changes: to replace a key, add the new one, let its users change, and take the old one out.',
    )
    .action((id: string, options: Options) => {
      create(id, options);
    });
  return command;
}

function create(id: string, options: Options): void {
  const { scopes, requestsPerSecond, maxOutstanding, maxBacklog, expires } = options;
  if (expires !== undefined && Number.isNaN(Date.parse(expires))) {
    throw new UsageError(`--expires is no time: "${expires}".`, 'Give it like 2027-01-31T00:00:00Z.');
  }
  const secret = newSecret();
  const entry: ApiKey = {
    id,
    sha256: hashSecret(secret),
    scopes: [...scopes],
    ...(requestsPerSecond === undefined ? {} : { requests_per_second: requestsPerSecond }),
    ...(maxOutstanding === undefined ? {} : { max_outstanding: maxOutstanding }),
    ...(maxBacklog === undefined ? {} : { max_backlog: maxBacklog }),
    ...(expires === undefined ? {} : { expires_at: new Date(expires).toISOString() }),
  };
  const terminal = new Terminal({ json: true });
  terminal.result(entry);
  process.stderr.write(`secret (shown once): ${secret}\n`);
}

function parseScopes(text: string): readonly Scope[] {
  const scopes = text.split(',').map((part) => part.trim());
  const wrong = scopes.find((scope) => !SCOPES.includes(scope as Scope));
  if (wrong === undefined) return scopes as Scope[];
  throw new UsageError(`There is no scope "${wrong}".`, `There are ${SCOPES.join(', ')}.`);
}
