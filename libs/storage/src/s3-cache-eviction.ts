import { lstat, readdir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';

interface CachedFile {
  readonly folder: string;
  /** Name of the link that is named after the version. The plain name follows its second dot. */
  readonly entry: string;
  readonly sizeBytes: number;
  readonly usedAtMs: number;
}

/**
 * Removes copies from the cache `root` until the rest has at most `maxBytes`. It goes folder by folder, because the files of a folder are
 * used together, and takes the least recently used folder first. Files that were used after `usedBeforeMs` stay. Another process may remove
 * entries at the same time; entries that cannot be removed stay.
 */
export async function evictOldest(
  root: string,
  limits: { readonly maxBytes: number; readonly usedBeforeMs: number },
): Promise<void> {
  const files = await cachedFiles(root);
  let bytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  if (bytes <= limits.maxBytes) return;
  const folders = [...Map.groupBy(files, (file) => file.folder)]
    .map(([folder, members]) => ({ folder, members, usedAtMs: Math.max(...members.map((file) => file.usedAtMs)) }))
    .sort((a, b) => a.usedAtMs - b.usedAtMs);
  for (const { folder, members } of folders) {
    if (bytes <= limits.maxBytes) return;
    for (const file of members) {
      if (file.usedAtMs < limits.usedBeforeMs && (await evict(file, limits.usedBeforeMs))) bytes -= file.sizeBytes;
    }
    await rmdir(folder).catch(() => undefined); // Fails if a recently used file is still in it.
  }
}

async function cachedFiles(root: string): Promise<CachedFile[]> {
  const files: CachedFile[] = [];
  for (const name of await readdir(root).catch(() => [])) {
    if (name.startsWith('.')) continue; // Unfinished copies.
    const folder = join(root, name);
    for (const entry of await readdir(folder).catch(() => [])) {
      if (!entry.startsWith('.')) continue;
      const stat = await lstat(join(folder, entry)).catch(() => undefined);
      if (stat?.isFile() === true) files.push({ folder, entry, sizeBytes: stat.size, usedAtMs: stat.mtimeMs });
    }
  }
  return files;
}

async function evict({ folder, entry }: CachedFile, usedBeforeMs: number): Promise<boolean> {
  const version = join(folder, entry);
  const path = join(folder, entry.slice(entry.indexOf('.', 1) + 1));
  try {
    const [stat, named] = await Promise.all([lstat(version), lstat(path).catch(() => undefined)]);
    // Another process may have used it meanwhile.
    if (stat.mtimeMs >= usedBeforeMs) return false;
    await unlink(version);
    if (named?.ino === stat.ino) await unlink(path).catch(() => undefined);
    return true;
  } catch {
    return false;
  }
}
