import { Command } from 'commander';
import { SCOPES, hashSecret, newSecret, type ApiKey, type Scope } from '@sconce/keys';
import { UsageError } from '../output/failure.ts';
import { integerOption, numberOption } from '../output/options.ts';
import { Terminal } from '../output/terminal.ts';

interface Options {
  readonly scopes: readonly Scope[];
  readonly owner?: string;
  readonly requestsPerSecond?: number;
  readonly maxOutstanding?: number;
  readonly maxBacklog?: number;
  readonly expires?: string;
}

/** `sconce keys`: creates API keys. It works without a server and sends nothing. */
export function keysCommand(): Command {
  const command = new Command('keys').description('create API keys for the key file of the API (SCONCE_KEYS_FILE)');
  command
    .command('create')
    .description('print a new secret on stderr, and its entry for the key file on stdout')
    .argument('<id>', 'name of the key in logs')
    .requiredOption('--scopes <list>', `what the key may do, separated by commas: ${SCOPES.join(', ')}`, parseScopes)
    .option(
      '--owner <name>',
      'who uses the key; requests of one owner do not delay those of another (default: the key)',
    )
    .option(
      '--requests-per-second <number>',
      'request limit of each API process',
      numberOption('--requests-per-second'),
    )
    .option(
      '--max-outstanding <number>',
      'limit of requests in flight at each API process',
      integerOption('--max-outstanding', 1, 1_000_000),
    )
    .option(
      '--max-backlog <number>',
      'limit of jobs and batches that have not ended, over all API processes',
      integerOption('--max-backlog', 1, 1_000_000),
    )
    .option('--expires <time>', 'time after which the key is refused, as ISO 8601: 2027-01-31T00:00:00Z')
    .addHelpText(
      'after',
      '\nExample:\n  sconce keys create ci --scopes infer,batch\nThe file holds {"keys": [ENTRY, …]}. The API reads it again when it changes. To replace a key: add the new one, let its users change, then remove the old one.',
    )
    .action((id: string, options: Options) => {
      create(id, options);
    });
  return command;
}

function create(id: string, options: Options): void {
  const { scopes, owner, requestsPerSecond, maxOutstanding, maxBacklog, expires } = options;
  if (expires !== undefined && Number.isNaN(Date.parse(expires))) {
    throw new UsageError(`--expires "${expires}" is not a time.`, 'Write it like 2027-01-31T00:00:00Z.');
  }
  const secret = newSecret();
  const entry: ApiKey = {
    id,
    sha256: hashSecret(secret),
    scopes: [...scopes],
    owner,
    requests_per_second: requestsPerSecond,
    max_outstanding: maxOutstanding,
    max_backlog: maxBacklog,
    expires_at: expires === undefined ? undefined : new Date(expires).toISOString(),
  };
  const terminal = new Terminal({ json: true });
  terminal.result(entry);
  process.stderr.write(`secret (shown once): ${secret}\n`);
}

function parseScopes(text: string): readonly Scope[] {
  const scopes = text.split(',').map((part) => part.trim());
  const wrong = scopes.find((scope) => !SCOPES.includes(scope as Scope));
  if (wrong === undefined) return scopes as Scope[];
  throw new UsageError(`--scopes has "${wrong}", which is not a scope.`, `The scopes are: ${SCOPES.join(', ')}.`);
}
