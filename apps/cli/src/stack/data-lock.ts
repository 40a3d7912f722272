import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failure } from '../output/failure.ts';
import { isAlive } from './is-alive.ts';

const ATTEMPTS = 10;

/**
 * Locks a data folder, so that a second stack cannot use it. Returns the function that releases the lock. The lock of a
 * dead process is taken over.
 * @throws SconceError `invalid_request` if a running process owns the folder.
 */
export function lockData(folder: string): () => void {
  const path = join(folder, 'up.pid');
  // A complete file is linked into place, so no process ever reads a lock without an owner.
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
      // Our own id in a lock that is not ours: an earlier process had the same id, as in a restarted container.
      if (owner !== undefined && owner !== process.pid && isAlive(owner)) throw owned(folder, path, `process ${owner}`);
      rmSync(path, { force: true });
    }
    throw owned(folder, path, 'it starts now');
  } finally {
    rmSync(own, { force: true });
  }
}

function owned(folder: string, path: string, owner: string): Error {
  return failure('invalid_request', `Another \`sconce up\` (${owner}) uses ${folder}.`, {
    hint: `Stop it, or give another folder with --data. If no such process runs, remove ${path}.`,
  });
}

/** The process that a lock names. Undefined if there is no lock, or it names none. */
function ownerOf(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
