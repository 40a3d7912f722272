import { Command, Option } from 'commander';
import { BUDGET_SETTINGS } from '@sconce/errors';
import { KEY_BUDGET_FIELDS, SCOPES, hashSecret, newSecret, parseKeyFile, type ApiKey, type Scope } from '@sconce/keys';
import { UsageError } from '../output/failure.ts';
import { integerOption, numberOption } from '../output/options.ts';
import { Terminal } from '../output/terminal.ts';

interface Options {
  readonly scopes: readonly Scope[];
  readonly owner?: string;
  readonly requestsPerSecond?: number;
  readonly maxOutstanding?: number;
  readonly burst?: number;
  readonly maxBacklog?: number;
  readonly expires?: string;
  /** Parts of the budget, by the attribute of their option. */
  readonly [attribute: string]: unknown;
}

const ABOUT_BUDGET: Record<(typeof KEY_BUDGET_FIELDS)[number], string> = {
  body_bytes: 'bytes of the body',
  json_values: 'JSON values in the body',
  elements: 'elements of all inputs',
  output_bytes: 'bytes of all outputs',
  run_memory_bytes: 'bytes of memory',
};

/** The option of each part of a budget: `--max-output-bytes`, as the setting of an instance. */
const BUDGET_OPTIONS = KEY_BUDGET_FIELDS.map((field) => {
  const flag = `--${BUDGET_SETTINGS[field].slice('SCONCE_'.length).toLowerCase().replaceAll('_', '-')}`;
  return { field, flag, unit: field.endsWith('bytes') ? 'bytes' : 'number' };
});

/** `sconce keys`: creates API keys. It works without a server and sends nothing. */
export function keysCommand(): Command {
  const command = new Command('keys').description('create API keys for the key file of the API (SCONCE_KEYS_FILE)');
  const create = command
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
    .option(
      '--burst <number>',
      'requests that are accepted at once after a pause (default: those of two seconds)',
      integerOption('--burst', 1, 1_000_000),
    )
    .option('--expires <time>', 'time after which the key is refused, as ISO 8601: 2027-01-31T00:00:00Z')
    .addHelpText(
      'after',
      '\nExample:\n  sconce keys create ci --scopes infer,batch\nThe file holds {"keys": [ENTRY, …]}. The API reads it again when it changes. To replace a key: add the new one, let its users change, then remove the old one.',
    )
    .action((id: string, options: Options) => {
      createKey(id, options);
    });
  for (const { flag, field, unit } of BUDGET_OPTIONS) {
    const about = `${ABOUT_BUDGET[field]} that one request may need (budget.${field})`;
    create.option(`${flag} <${unit}>`, about, integerOption(flag, 1, Number.MAX_SAFE_INTEGER));
  }
  return command;
}

/** Reads the budget from the options. undefined if they set no part of it. */
function budgetOf(options: Options): ApiKey['budget'] {
  const given = BUDGET_OPTIONS.flatMap(({ field, flag }) => {
    const value = options[new Option(flag).attributeName()];
    return typeof value === 'number' ? [[field, value] as const] : [];
  });
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

function createKey(id: string, options: Options): void {
  const { scopes, owner, requestsPerSecond, burst, maxOutstanding, maxBacklog, expires } = options;
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
    burst,
    max_outstanding: maxOutstanding,
    max_backlog: maxBacklog,
    budget: budgetOf(options),
    expires_at: expires === undefined ? undefined : new Date(expires).toISOString(),
  };
  // What the API would refuse in its file is refused here.
  try {
    parseKeyFile(JSON.stringify({ keys: [entry] }));
  } catch (error) {
    const why = (error as Error).message.replace(/^.*keys\.0\./, '');
    throw new UsageError(`The key cannot be used: ${why}`, 'docs/security.md lists the fields of a key.');
  }
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
