import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failure } from '../output/failure.ts';

const ATTEMPTS = 10;

/**
 * Keeps a second stack off a data folder. Answers what releases it; a dead owner's lock is taken over. Throws
 * `invalid_request` where a living process owns it.
 */
export function lockData(folder: string): () => void {
  const path = join(folder, 'up.pid');
  // Linked into place whole: nobody ever reads a lock that does not name its owner yet.
  const own = `${path}.${process.pid}`;
  writeFileSync(own, `${process.pid}\n`);
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      try {
        linkSync(own, path);
        return () => {
          if (ownerOf(path) === process.pid) rmSync(path, { force: true });
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const owner = ownerOf(path);
      if (isAlive(owner)) throw owned(folder, path, `process ${owner}`);
      rmSync(path, { force: true });
    }
    throw owned(folder, path, 'starting just now');
  } finally {
    rmSync(own, { force: true });
  }
}

function owned(folder: string, path: string, owner: string): Error {
  return failure(
    'invalid_request',
    `Another \`sconce up\` (${owner}) uses ${folder}.`,
    `Stop it, or give this one a folder of its own with --data; if there is none, remove ${path}.`,
  );
}

/** The process a lock names; undefined where it is gone or names none. */
function ownerOf(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function isAlive(pid: number | undefined): boolean {
  // Our own number in a lock that is not ours: its owner had it before us, as in a restarted container.
  if (pid === undefined || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
