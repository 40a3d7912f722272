import { randomUUID } from 'node:crypto';
import { lstat, mkdir, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from './storage-error.ts';

/**
 * Where unfinished uploads and folders on their way out live: `.tmp` inside the root, on the same file system (rename
 * and link work) and out of reach of every key.
 */
export class TempFolder {
  readonly #path: string;

  constructor(root: string) {
    this.#path = join(root, '.tmp');
  }

  /** Makes the folder and removes what is older than `staleMs`. Entries another process removes first are fine. */
  async init(staleMs: number): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    const oldest = Date.now() - staleMs;
    for (const name of await readdir(this.#path)) {
      const path = join(this.#path, name);
      const stat = await lstat(path).catch(() => undefined);
      // A leftover that cannot be removed is no reason not to serve.
      if (stat !== undefined && stat.mtimeMs < oldest)
        await rm(path, { recursive: true, force: true }).catch(() => undefined);
    }
  }

  /** A path nobody else uses. */
  newPath(): string {
    return join(this.#path, randomUUID());
  }

  /** A new file, mode 0600, open for writing. */
  async create(): Promise<{ readonly path: string; readonly handle: FileHandle }> {
    const path = this.newPath();
    try {
      return { path, handle: await open(path, 'wx', 0o600) };
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      // Somebody tidied the folder away.
      await mkdir(this.#path, { recursive: true, mode: 0o700 });
      return { path, handle: await open(path, 'wx', 0o600) };
    }
  }
}
