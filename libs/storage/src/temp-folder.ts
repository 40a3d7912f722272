import { randomUUID } from 'node:crypto';
import { lstat, mkdir, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { FolderPresence } from './folder-presence.ts';
import { systemCode } from './storage-error.ts';

/**
 * The folder for unfinished uploads and for folders that are being deleted: `.tmp` inside the root. It is on the same file system, so rename
 * and link work, and no key can name it.
 */
export class TempFolder {
  readonly #path: string;
  /** Throws if the root is away. Then the folder is not made again. */
  #checkRoot: () => Promise<void> = () => Promise.resolve();

  constructor(root: string) {
    this.#path = join(root, '.tmp');
  }

  /** Has the presence of the root checked before the folder is made again. */
  guard(presence: FolderPresence): void {
    this.#checkRoot = () => presence.check();
  }

  /** Makes the folder and removes entries older than `staleMs`. Another process may remove them at the same time. */
  async init(staleMs: number): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    const oldest = Date.now() - staleMs;
    for (const name of await readdir(this.#path)) {
      const path = join(this.#path, name);
      const stat = await lstat(path).catch(() => undefined);
      // An entry that cannot be removed does not stop the start.
      if (stat !== undefined && stat.mtimeMs < oldest)
        await rm(path, { recursive: true, force: true }).catch(() => undefined);
    }
  }

  /** A path that no one else uses. */
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
      await this.#checkRoot();
      // The folder was removed by another program.
      await mkdir(this.#path, { recursive: true, mode: 0o700 });
      return { path, handle: await open(path, 'wx', 0o600) };
    }
  }
}
