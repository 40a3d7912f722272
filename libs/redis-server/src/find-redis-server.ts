import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { SconceError } from '@sconce/errors';

/** A server program found on this machine; `version` is `major.minor.patch` as the program itself prints it. */
export interface FoundRedisServer {
  readonly path: string;
  readonly version: string;
  readonly flavour: 'redis' | 'valkey';
}

/** Where `findRedisServer` searches. */
export interface FindRedisServerOptions {
  /** Folders to search first, in the format of the PATH variable. The caller passes it, because a library does not read the environment. */
  readonly path?: string | undefined;
  /** Folders to search after `path`. Default: the folders that system packages and Homebrew use. */
  readonly folders?: readonly string[];
}

/** The oldest release that BullMQ supports. */
export const MINIMUM_REDIS_VERSION = '6.2.0';

const PROGRAMS = ['redis-server', 'valkey-server'] as const;

const WELL_KNOWN_FOLDERS = [
  '/usr/bin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/local/sbin',
  '/opt/homebrew/bin',
  '/opt/local/bin',
  '/opt/redis/bin',
  '/opt/valkey/bin',
] as const;

const VERSION_TIMEOUT_MS = 5_000;

const run = promisify(execFile);

/**
 * Finds the first `redis-server` or `valkey-server` that runs on this machine and is at least MINIMUM_REDIS_VERSION.
 * Programs that are too old or do not start are skipped. Returns `undefined` if there is none.
 */
export async function findRedisServer(options: FindRedisServerOptions = {}): Promise<FoundRedisServer | undefined> {
  const searched = (options.path ?? '').split(delimiter).filter((folder) => folder.length > 0);
  const folders = new Set([...searched, ...(options.folders ?? WELL_KNOWN_FOLDERS)]);
  for (const folder of folders) {
    for (const program of PROGRAMS) {
      const found = await readVersion(join(folder, program));
      if (found !== undefined && isAtLeast(found.version, MINIMUM_REDIS_VERSION)) return found;
    }
  }
  return undefined;
}

/** The error for a machine without a Redis server. It names the command that installs one on each supported system. */
export function redisServerMissing(): SconceError {
  return new SconceError(
    'redis_unavailable',
    `no redis-server or valkey-server (${MINIMUM_REDIS_VERSION} or newer) is installed. Install one: ${REDIS_INSTALL_HINT}`,
  );
}

/** One line: how to install a Redis on Debian/Ubuntu, Fedora, Alpine and macOS. */
export const REDIS_INSTALL_HINT =
  'Debian/Ubuntu: `sudo apt-get install -y redis-server`; Fedora: `sudo dnf install -y valkey`; ' +
  'Alpine: `apk add redis`; macOS: `brew install redis`';

async function readVersion(path: string): Promise<FoundRedisServer | undefined> {
  try {
    await access(path, constants.X_OK);
    const { stdout } = await run(path, ['--version'], { timeout: VERSION_TIMEOUT_MS });
    return parseVersion(path, stdout);
  } catch {
    return undefined; // missing, not executable, or built for another machine: try the next one
  }
}

/** Reads `Redis server v=7.0.15 sha=…` or `Valkey server v=8.1.1 sha=…`. */
function parseVersion(path: string, text: string): FoundRedisServer | undefined {
  const match = /^(Redis|Valkey) server v=(\d+\.\d+\.\d+)/im.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { path, version: match[2], flavour: match[1].toLowerCase() === 'valkey' ? 'valkey' : 'redis' };
}

function isAtLeast(version: string, minimum: string): boolean {
  const have = version.split('.').map(Number);
  const need = minimum.split('.').map(Number);
  for (let index = 0; index < need.length; index++) {
    const difference = (have[index] ?? 0) - (need[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
