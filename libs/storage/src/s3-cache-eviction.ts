import { lstat, readdir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';

interface CachedFile {
  readonly folder: string;
  /** The link named after the version; the plain name comes after its second dot. */
  readonly entry: string;
  readonly sizeBytes: number;
  readonly usedAtMs: number;
}

/**
 * Removes copies from the cache `root` until the rest has at most `maxBytes`: folder by folder, the one used longest
 * ago first, since what lies together is used together; no file used after `usedBeforeMs`. Entries that another process
 * removes first are fine, and what cannot be removed is left.
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
    await rmdir(folder).catch(() => undefined); // Not empty: something in it was used lately.
  }
}

async function cachedFiles(root: string): Promise<CachedFile[]> {
  const files: CachedFile[] = [];
  for (const name of await readdir(root).catch(() => [])) {
    if (name.startsWith('.')) continue; // What is on its way.
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
    // Another process may have used it since we looked.
    if (stat.mtimeMs >= usedBeforeMs) return false;
    await unlink(version);
    if (named?.ino === stat.ino) await unlink(path).catch(() => undefined);
    return true;
  } catch {
    return false;
  }
}
