/**
 * Makes sure that a Redis is installed: `npm run demo`, `npm test` and `npm run dev` run it first. It prints nothing when a Redis is there
 * (`--verbose` prints which). Otherwise it installs Debian's package: at once when it runs as root, and through sudo when the user agrees.
 * The user agrees by answering a question on the terminal, or by setting INSTALL_REDIS=1. In CI (CI=true) nobody is asked.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { pathToFileURL } from 'node:url';
import { REDIS_INSTALL_HINT, findRedisServer, type FoundRedisServer } from '@sconce/redis-server';

/** The facts and functions of the machine that the decision needs. Specs pass their own. */
export interface Machine {
  find(): Promise<FoundRedisServer | undefined>;
  hasProgram(name: string): boolean;
  readonly isRoot: boolean;
  /** The user agreed beforehand that sudo is used: INSTALL_REDIS=1, or CI=true. */
  readonly isSudoAllowed: boolean;
  /** Somebody can answer a question. */
  readonly isTerminal: boolean;
  /** Asks a question on the terminal; true when the answer is yes. */
  confirm(question: string): Promise<boolean>;
  /** Runs a command to its end; rejects when it fails or takes longer than `timeoutMs`. */
  run(command: string, args: readonly string[], timeoutMs: number): Promise<void>;
  print(line: string): void;
  printError(line: string): void;
}

const SUDO_CHECK_TIMEOUT_MS = 5_000;
const INSTALL_TIMEOUT_MS = 5 * 60_000;
/** RUNLEVEL=1: the package must not start its own service. Sconce runs private servers. */
const APT_ENVIRONMENT = ['env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1'] as const;
const QUESTION =
  'Redis is not installed. Install it now with "sudo apt-get install redis-server"? sudo may ask for your password. [y/N] ';

/** Returns the exit code: 0 when a Redis is there at the end, 1 when it is not (the reason is printed). */
export async function ensureRedis(machine: Machine, options: { readonly verbose: boolean }): Promise<0 | 1> {
  const found = await machine.find();
  if (found !== undefined) {
    if (options.verbose) machine.print(`Redis: ${found.path} (${found.flavour} ${found.version})`);
    return 0;
  }
  const rights = await aptRights(machine);
  if ('refusal' in rights) return fail(machine, rights.refusal);

  machine.print('Redis is not installed: installing redis-server with apt-get …');
  const deadline = performance.now() + INSTALL_TIMEOUT_MS;
  const apt = (...args: readonly string[]): Promise<void> => {
    const [command = 'env', ...rest] = [...rights.prefix, ...APT_ENVIRONMENT, 'apt-get', ...args];
    return machine.run(command, rest, Math.max(1, Math.ceil(deadline - performance.now())));
  };
  try {
    await apt('update');
    await apt('install', '-y', '--no-install-recommends', 'redis-server');
  } catch (error) {
    return fail(machine, `apt-get could not install redis-server: ${lastLine(error)}`);
  }
  const installed = await machine.find();
  if (installed === undefined) {
    return fail(machine, 'apt-get installed redis-server, but no usable Redis was found after it.');
  }
  machine.print(`Redis installed: ${installed.path} (${installed.flavour} ${installed.version})`);
  return 0;
}

/** The command that gives apt-get its rights (empty for root), or the reason why apt-get is not run. */
async function aptRights(
  machine: Machine,
): Promise<{ readonly prefix: readonly string[] } | { readonly refusal: string }> {
  if (!machine.hasProgram('apt-get'))
    return { refusal: 'Redis is not installed, and there is no apt-get to install it.' };
  if (machine.isRoot) return { prefix: [] };
  if (!machine.hasProgram('sudo')) {
    return { refusal: 'Redis is not installed, and installing it needs root: there is no sudo.' };
  }
  if (machine.isSudoAllowed) {
    if (await canSudo(machine)) return { prefix: ['sudo', '-n'] };
    if (!machine.isTerminal) return { refusal: 'Redis is not installed, and sudo needs a password to install it.' };
    return { prefix: ['sudo'] };
  }
  if (!machine.isTerminal) {
    return {
      refusal:
        'Redis is not installed. Set INSTALL_REDIS=1 to let this command install it with sudo, or run it in a terminal.',
    };
  }
  if (await machine.confirm(QUESTION)) return { prefix: ['sudo'] };
  return { refusal: 'Redis is not installed: you chose not to install it.' };
}

/** Whether sudo works without a password. */
async function canSudo(machine: Machine): Promise<boolean> {
  try {
    await machine.run('sudo', ['-n', 'true'], SUDO_CHECK_TIMEOUT_MS);
    return true;
  } catch {
    return false;
  }
}

function fail(machine: Machine, reason: string): 1 {
  machine.printError(reason);
  machine.printError(`Install Redis 6.2 or newer and run this again. ${REDIS_INSTALL_HINT}`);
  return 1;
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split('\n').at(-1) ?? 'unknown reason';
}

/** Whether a variable like CI is set to something that means yes. */
export function isYes(value: string | undefined): boolean {
  return !['', '0', 'no', 'false'].includes((value ?? '').toLowerCase());
}

function thisMachine(environment: NodeJS.ProcessEnv): Machine {
  const path = environment['PATH'] ?? '';
  const folders = [...path.split(':'), '/usr/bin', '/bin', '/usr/local/bin'];
  return {
    find: () => findRedisServer({ path }),
    hasProgram: (name) => folders.some((folder) => folder !== '' && existsSync(`${folder}/${name}`)),
    isRoot: process.getuid?.() === 0,
    isSudoAllowed: isYes(environment['INSTALL_REDIS']) || isYes(environment['CI']),
    isTerminal: process.stdin.isTTY && process.stdout.isTTY,
    confirm: async (question) => {
      const terminal = createInterface({ input: process.stdin, output: process.stdout });
      try {
        return /^y(es)?$/i.test((await terminal.question(question)).trim());
      } finally {
        terminal.close();
      }
    },
    run: (command, args, timeoutMs) =>
      new Promise((resolve, reject) => {
        // sudo asks for a password on the terminal itself, not on stdin.
        execFile(command, [...args], { timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024 }, (error, _stdout, stderr) => {
          if (error === null) resolve();
          else if (error.killed === true) reject(new Error(`it took longer than ${Math.round(timeoutMs / 1000)} s`));
          else reject(new Error(stderr.trim() === '' ? error.message : stderr));
        });
      }),
    print: (line) => console.log(line),
    printError: (line) => console.error(line),
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = await ensureRedis(thisMachine(process.env), { verbose: process.argv.includes('--verbose') });
}
