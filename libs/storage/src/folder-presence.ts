import { lstat, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SconceError } from '@sconce/errors';

/**
 * Whether a storage folder is still the folder that was opened. When its volume is not mounted, the path is missing or an empty folder. To
 * take every blob for deleted then would end batches and models that are intact.
 */
export class FolderPresence {
  readonly #root: string;
  readonly #inode: bigint;

  private constructor(root: string, inode: bigint) {
    this.#root = root;
    this.#inode = inode;
  }

  /** Remembers the folder as it is now. */
  static async of(root: string): Promise<FolderPresence> {
    return new FolderPresence(root, (await stat(root, { bigint: true })).ino);
  }

  /**
   * To be called when a path was not found. A mount may get other numbers when it returns, so a folder that was a store before also counts.
   * @throws SconceError `storage_unavailable` if the folder is away.
   */
  async check(): Promise<void> {
    const root = await stat(this.#root, { bigint: true }).catch(() => undefined);
    if (root?.ino === this.#inode) return;
    if (root !== undefined && (await lstat(join(this.#root, '.tmp')).catch(() => undefined)) !== undefined) return;
    throw new SconceError(
      'storage_unavailable',
      'the storage folder is away: mount its volume again, or restart this process if the folder was replaced',
    );
  }
}
