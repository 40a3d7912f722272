import { randomUUID } from 'node:crypto';
import { link, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SconceError } from '@sconce/errors';
import { isMissing, systemCode } from './storage-error.ts';

/** A file with the id of the store. No key can name it. */
const ID_FILE = '.store-id';

/**
 * Whether a storage folder is still the folder that was opened. When its volume is not mounted, the path is missing or an empty folder. To
 * take every blob for deleted then would end batches and models that are intact.
 */
export class FolderPresence {
  readonly #root: string;
  readonly #inode: bigint;
  readonly #id: string;

  private constructor(root: string, inode: bigint, id: string) {
    this.#root = root;
    this.#inode = inode;
    this.#id = id;
  }

  /** Remembers the folder as it is now, and gives it an id if it has none. @param temp a path in it that no one else uses. */
  static async of(root: string, temp: string): Promise<FolderPresence> {
    const { ino } = await stat(root, { bigint: true });
    return new FolderPresence(root, ino, (await readId(root)) ?? (await writeId(root, temp)));
  }

  /**
   * To be called when a path was not found. A mount may get other numbers when it returns, and a store may be restored from a copy: then its id
   * is the same.
   * @throws SconceError `storage_unavailable` if the folder is away.
   */
  async check(): Promise<void> {
    const root = await stat(this.#root, { bigint: true }).catch(() => undefined);
    if (root?.ino === this.#inode) return;
    if ((await readId(this.#root).catch(() => undefined)) === this.#id) return;
    throw folderAway();
  }
}

/** The error of a storage folder that is not there, or is another one. */
export function folderAway(): SconceError {
  return new SconceError(
    'storage_unavailable',
    'the storage folder is away: mount its volume again, or restart this process if the folder was replaced',
  );
}

/** Whether a folder was opened as a store before. */
export async function isStore(root: string): Promise<boolean> {
  return (await readId(root)) !== undefined;
}

async function readId(root: string): Promise<string | undefined> {
  try {
    return await readFile(join(root, ID_FILE), 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The file appears with its content, so that no other process reads half of it. The first of several processes decides. */
async function writeId(root: string, temp: string): Promise<string> {
  const id = randomUUID();
  await writeFile(temp, id, { flag: 'wx', mode: 0o400 });
  try {
    await link(temp, join(root, ID_FILE));
    return id;
  } catch (error) {
    const other = systemCode(error) === 'EEXIST' ? await readId(root) : undefined;
    if (other === undefined) throw error;
    return other;
  } finally {
    await rm(temp, { force: true });
  }
}
