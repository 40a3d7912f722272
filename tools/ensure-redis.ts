/**
 * Makes sure that a Redis is installed: `npm run demo` and `npm test` run it first.
 * Silent when one is there (`--verbose` says which); else installs Debian's package where we are allowed to.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { REDIS_INSTALL_HINT, findRedisServer, type FoundRedisServer } from '@sconce/redis-server';

/** What the decision needs of the machine; tests inject their own. */
export interface Machine {
  find(): Promise<FoundRedisServer | undefined>;
  hasProgram(name: string): boolean;
  readonly isRoot: boolean;
  /** Runs a command to its end; rejects when it fails or takes longer than `timeoutMs`. */
  run(command: string, args: readonly string[], timeoutMs: number): Promise<void>;
  print(line: string): void;
  printError(line: string): void;
}

const SUDO_CHECK_TIMEOUT_MS = 5_000;
const INSTALL_TIMEOUT_MS = 5 * 60_000;
/** RUNLEVEL=1: the package must not start its own service; ours are private ones. */
const APT_ENVIRONMENT = ['env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1'] as const;

/** Returns the exit code: 0 when a Redis is there at the end, 1 when it is not (the reason is printed). */
export async function ensureRedis(machine: Machine, options: { readonly verbose: boolean }): Promise<0 | 1> {
  const found = await machine.find();
  if (found !== undefined) {
    if (options.verbose) machine.print(`Redis: ${found.path} (${found.flavour} ${found.version})`);
    return 0;
  }
  const prefix = await aptPrefix(machine);
  if (prefix === undefined) return fail(machine, 'Redis is not installed, and it cannot be installed from here.');

  machine.print('Redis is not installed: installing redis-server with apt-get …');
  const deadline = performance.now() + INSTALL_TIMEOUT_MS;
  const apt = (...args: readonly string[]): Promise<void> => {
    const [command = 'env', ...rest] = [...prefix, ...APT_ENVIRONMENT, 'apt-get', ...args];
    return machine.run(command, rest, Math.max(1, Math.ceil(deadline - performance.now())));
  };
  try {
    await apt('update');
    await apt('install', '-y', '--no-install-recommends', 'redis-server');
  } catch (error) {
    return fail(machine, `apt-get could not install redis-server: ${lastLine(error)}`);
  }
  const installed = await machine.find();
  if (installed === undefined) return fail(machine, 'apt-get installed redis-server, but no usable Redis came of it.');
  machine.print(`Redis installed: ${installed.path} (${installed.flavour} ${installed.version})`);
  return 0;
}

/** How to run apt-get with the rights it needs: as we are, through sudo, or (undefined) not at all. */
async function aptPrefix(machine: Machine): Promise<readonly string[] | undefined> {
  if (!machine.hasProgram('apt-get')) return undefined;
  if (machine.isRoot) return [];
  if (!machine.hasProgram('sudo')) return undefined;
  try {
    await machine.run('sudo', ['-n', 'true'], SUDO_CHECK_TIMEOUT_MS);
    return ['sudo', '-n'];
  } catch {
    return undefined; // sudo would ask for a password
  }
}

function fail(machine: Machine, what: string): 1 {
  machine.printError(what);
  machine.printError(`Install Redis 6.2 or newer and run this again. ${REDIS_INSTALL_HINT}`);
  return 1;
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split('\n').at(-1) ?? 'unknown reason';
}

function thisMachine(path: string): Machine {
  const folders = [...path.split(':'), '/usr/bin', '/bin', '/usr/local/bin'];
  return {
    find: () => findRedisServer({ path }),
    hasProgram: (name) => folders.some((folder) => folder !== '' && existsSync(`${folder}/${name}`)),
    isRoot: process.getuid?.() === 0,
    run: (command, args, timeoutMs) =>
      new Promise((resolve, reject) => {
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
  process.exitCode = await ensureRedis(thisMachine(process.env['PATH'] ?? ''), {
    verbose: process.argv.includes('--verbose'),
  });
}
