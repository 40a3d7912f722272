import { execFileSync } from 'node:child_process';
import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeBlobStore } from './blob-store.conformance.ts';
import { FolderStore, storageConfigSchema } from './index.ts';
import { storageError } from './storage-error.ts';

const MAX = { maxBytes: 1000 };
const x = Buffer.from('x');

describeBlobStore('FolderStore', async () => {
  const root = await mkdtemp(join(tmpdir(), 'sconce-storage-'));
  return {
    store: await FolderStore.open({ root }),
    leftovers: () => readdir(join(root, '.tmp')),
    close: () => rm(root, { recursive: true }),
  };
});

describe('FolderStore', () => {
  let base: string;
  let root: string;
  let store: FolderStore;

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'sconce-storage-'));
    root = join(base, 'deep', 'data');
    store = await FolderStore.open({ root });
  });
  afterEach(() => rm(base, { recursive: true, force: true }));

  it('makes folders 0700 and files 0400 at the path of the key', async () => {
    await store.put('a/b', x, MAX);
    await store.put('a/c', x, { ...MAX, ifAbsent: true });
    const mode = async (path: string): Promise<number> => (await lstat(path)).mode & 0o777;
    expect(await readFile(join(root, 'a/b'), 'utf8')).toBe('x');
    expect(await store.localPath('a/b')).toBe(join(root, 'a/b'));
    for (const folder of ['', '.tmp', 'a']) expect(await mode(join(root, folder))).toBe(0o700);
    for (const file of ['a/b', 'a/c']) expect(await mode(join(root, file))).toBe(0o400);
  });

  it('removes empty folders, but never the root', async () => {
    await store.put('a/b/c', x, MAX);
    await store.put('a/d/e', x, MAX);
    await store.delete('a/b/c');
    expect(await readdir(join(root, 'a'))).toEqual(['d']);
    await store.deletePrefix('a/d/');
    expect(await readdir(root)).toEqual(['.store-id', '.tmp']);
  });

  it('removes stale remains of uploads when opened, and keeps fresh ones', async () => {
    const temp = join(root, '.tmp');
    await mkdir(join(temp, 'old-folder'));
    await writeFile(join(temp, 'old-folder', 'f'), 'x');
    await writeFile(join(temp, 'old'), 'x');
    await writeFile(join(temp, 'fresh'), 'x');
    const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
    for (const name of ['old', 'old-folder']) await utimes(join(temp, name), twoDaysAgo, twoDaysAgo);
    await FolderStore.open({ root });
    expect(await readdir(temp)).toEqual(['fresh']);
  });

  it('makes its temporary folder again after it was removed', async () => {
    await rm(join(root, '.tmp'), { recursive: true });
    await store.put('k', x, MAX);
    expect(await store.stat('k')).toBeDefined();
  });

  it('does not follow symbolic links to read, write, delete or list', async () => {
    const outside = join(base, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'secret'), 'secret');
    await mkdir(join(root, 'm'));
    await symlink(outside, join(root, 'm', 'folder'));
    await symlink(join(outside, 'secret'), join(root, 'm', 'file'));
    const refusal = { code: 'storage_unavailable', message: expect.stringContaining('symbolic link') as string };
    await expect(store.get('m/file', MAX)).rejects.toMatchObject(refusal);
    await expect(store.get('m/folder/secret', MAX)).rejects.toMatchObject(refusal);
    await expect(store.localPath('m/folder/secret')).rejects.toMatchObject(refusal);
    await expect(store.put('m/folder/new/k', x, MAX)).rejects.toMatchObject(refusal);
    await expect(store.delete('m/folder/secret')).rejects.toMatchObject(refusal);
    await expect(store.deletePrefix('m/folder/')).rejects.toMatchObject(refusal);
    for await (const { key } of store.list('')) expect.unreachable(key);
    expect(await readdir(outside)).toEqual(['secret']);
    await store.deletePrefix('m/');
    expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('secret');
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
  });

  it('accepts a root that is a symbolic link', async () => {
    await symlink(root, join(base, 'link'));
    const linked = await FolderStore.open({ root: join(base, 'link') });
    await linked.put('k', x, MAX);
    expect(await store.stat('k')).toBeDefined();
  });

  it('ignores files that are not blobs: other names, FIFOs', async () => {
    await writeFile(join(root, 'lost+found'), 'x');
    execFileSync('mkfifo', [join(root, 'fifo')]);
    for await (const { key } of store.list('')) expect.unreachable(key);
    expect(await store.get('fifo', MAX)).toBeUndefined();
    expect(await store.localPath('fifo')).toBeUndefined();
  });

  it('refuses a key that is the prefix of another', async () => {
    await store.put('a', x, MAX);
    await store.put('b/c', x, MAX);
    const refusal = { code: 'invalid_request' };
    await expect(store.put('a/b', x, MAX)).rejects.toMatchObject(refusal);
    await expect(store.put('b', x, MAX)).rejects.toMatchObject(refusal);
    await expect(store.put('b', x, { ...MAX, ifAbsent: true })).rejects.toMatchObject(refusal);
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
  });

  it('throws storage_unavailable with the cause when the file system fails', async () => {
    const file = join(base, 'file');
    await writeFile(file, '');
    await expect(FolderStore.open({ root: join(file, 'x') })).rejects.toMatchObject({
      code: 'storage_unavailable',
      cause: { code: 'ENOTDIR' },
    });
    await rm(root, { recursive: true });
    await writeFile(root, '');
    await expect(store.put('k', x, MAX)).rejects.toMatchObject({
      code: 'storage_unavailable',
      cause: { code: 'ENOTDIR' },
    });
  });

  it.skipIf(process.getuid?.() === 0)('names missing permissions', async () => {
    await store.put('m/k', x, MAX);
    await chmod(join(root, 'm'), 0o000);
    await expect(store.get('m/k', MAX)).rejects.toMatchObject({
      code: 'storage_unavailable',
      details: { errno: 'EACCES' },
    });
    await chmod(join(root, 'm'), 0o700);
  });

  it('reports a file that is shortened while it is read', async () => {
    await store.put('k', Buffer.alloc(100), MAX);
    await using source = await store.open('k');
    const stream = await store.stream('k');
    await truncate(join(root, 'k'), 50);
    await expect(source?.read(40, 20)).rejects.toMatchObject({ code: 'storage_unavailable' });
    await expect(stream?.toArray()).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  it.skipIf(process.platform !== 'linux')(
    'holds no file open once a source is closed or a stream is read or destroyed unread',
    async () => {
      await store.put('k', x, MAX);
      const openFiles = async (): Promise<number> => (await readdir('/proc/self/fd')).length;
      const before = await openFiles();
      await store.get('k', MAX);
      await (await store.stream('k'))?.toArray();
      const unread = await store.stream('k');
      expect(await openFiles()).toBe(before + 1);
      const closed = new Promise((resolve) => unread?.on('close', resolve));
      unread?.destroy();
      await closed;
      await expect(store.stream('k', { offset: 0, length: 9 })).rejects.toThrow();
      expect(await openFiles()).toBe(before);
    },
  );

  describe('a folder that is away', () => {
    it.each(['missing', 'an empty folder, as a mount point without its volume is'])(
      'is %s: nothing counts as deleted',
      async (how) => {
        await store.put('a/b', x, MAX);
        const away = `${root}-away`;
        await rename(root, away);
        if (how !== 'missing') await mkdir(root);
        const unavailable = {
          code: 'storage_unavailable',
          message: expect.stringMatching(/the storage folder is away/) as string,
        };
        await expect(store.get('a/b', MAX)).rejects.toMatchObject(unavailable);
        await expect(store.stat('a/b')).rejects.toMatchObject(unavailable);
        await expect(store.localPath('a/b')).rejects.toMatchObject(unavailable);
        await expect(store.delete('a/b')).rejects.toMatchObject(unavailable);
        await expect(store.deletePrefix('a/')).rejects.toMatchObject(unavailable);
        await expect(store.list('a/').next()).rejects.toMatchObject(unavailable);
        await expect(store.list('').next()).rejects.toMatchObject({ code: 'storage_unavailable' });
        await expect(store.put('c', x, MAX)).rejects.toMatchObject({ code: 'storage_unavailable' });
        if (how !== 'missing') {
          expect(await readdir(root)).toEqual([]);
          await rm(root, { recursive: true });
        }
        await rename(away, root);
        expect(await store.get('a/b', MAX)).toEqual(x);
        expect(await store.get('c', MAX)).toBeUndefined();
      },
    );

    it.each(['missing', 'an empty folder'])(
      'is not made again by a reader that expects it (%s), so it does not look like an empty store',
      async (how) => {
        await store.put('a/b', x, MAX);
        await rename(root, `${root}-away`);
        if (how !== 'missing') await mkdir(root);
        const opening = FolderStore.open({ root }, { mustExist: true });
        await expect(opening).rejects.toMatchObject({ code: 'storage_unavailable' });
        await expect(store.stat('a/b')).rejects.toMatchObject({ code: 'storage_unavailable' });
        if (how !== 'missing') await rm(root, { recursive: true });
        await rename(`${root}-away`, root);
        const again = await FolderStore.open({ root }, { mustExist: true });
        expect(await again.get('a/b', MAX)).toEqual(x);
      },
    );

    it('is away when a process has made a new store in its place', async () => {
      await store.put('a/b', x, MAX);
      await rename(root, `${root}-away`);
      await FolderStore.open({ root });
      await expect(store.get('a/b', MAX)).rejects.toMatchObject({ code: 'storage_unavailable' });
    });

    it('is there when another copy of the store was put in its place', async () => {
      await store.put('a/b', x, MAX);
      await cp(root, `${root}-copy`, { recursive: true });
      await rm(root, { recursive: true });
      await rename(`${root}-copy`, root);
      expect(await store.get('a/b', MAX)).toEqual(x);
      expect(await store.get('other', MAX)).toBeUndefined();
    });
  });
});

describe('storageError', () => {
  it.each([
    ['ENOSPC', 'the disk is full', 'storage_full'],
    ['EDQUOT', 'the disk quota is used up', 'storage_full'],
    ['EACCES', 'permission denied', 'storage_unavailable'],
    ['EROFS', 'read-only', 'storage_unavailable'],
    ['EWEIRD', 'raw text', 'storage_unavailable'],
  ])('turns %s into advice', (code, advice, kind) => {
    const cause = Object.assign(new Error('raw text'), { code });
    const error = storageError(cause, 'storing k failed');
    expect(error).toMatchObject({ code: kind, cause, details: { errno: code } });
    expect(error.message).toContain(`storing k failed: `);
    expect(error.message).toContain(advice);
  });
});

describe('storageConfigSchema', () => {
  it('has defaults and refuses unknown settings', () => {
    expect(storageConfigSchema.parse({ root: 'data' })).toEqual({ root: 'data', staleTempMs: 86_400_000 });
    expect(storageConfigSchema.safeParse({ root: '' }).success).toBe(false);
    expect(storageConfigSchema.safeParse({ root: 'data', rot: 1 }).success).toBe(false);
  });
});
