import { chmod, link, lstat, readFile, readdir, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { S3Store } from './index.ts';
import { startS3Proxy, startS3TestServer, type S3Proxy, type S3TestServer } from './testing/index.ts';

const MAX = { maxBytes: 1_000_000_000 };
const MIB = 1024 ** 2;

describe('S3Store.localPath', () => {
  let server: S3TestServer;
  let proxy: S3Proxy;
  let config: ReturnType<S3TestServer['config']>;
  let store: S3Store;
  let prefixes = 0;

  beforeAll(async () => {
    server = await startS3TestServer();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    proxy = await startS3Proxy(server.endpoint);
    config = { ...server.config(`cache/${prefixes++}`), endpoint: proxy.endpoint, cacheBytes: 1_000 };
    store = await S3Store.open(config);
  });
  afterEach(async () => {
    await proxy.close();
    expect(await readdir(join(config.cacheFolder, '.tmp'))).toEqual([]);
  });

  const local = async (key: string, from = store): Promise<string> => {
    const path = await from.localPath(key);
    if (path === undefined) throw new Error(`${key} is missing`);
    return path;
  };
  const exists = (path: string): Promise<boolean> => stat(path).then(Boolean, () => false);
  const downloads = (): number =>
    proxy.requests.filter((line) => line.startsWith('GET') && line.includes('Get')).length;
  /** Sets the last use of the file to this time ago. */
  const age = async (path: string, seconds: number): Promise<void> => {
    const then = new Date(Date.now() - seconds * 1000);
    await utimes(path, then, then);
  };
  const put = (key: string, sizeBytes: number): Promise<unknown> => store.put(key, Buffer.alloc(sizeBytes, key), MAX);

  it('copies a blob once, read-only, under its own name, into the folder of its prefix', async () => {
    await put('m/model.onnx', 100);
    await put('m/weights.bin', 100);
    await put('n/model.onnx', 100);
    const path = await local('m/model.onnx');
    expect(basename(path)).toBe('model.onnx');
    expect(await local('m/weights.bin')).toBe(join(dirname(path), 'weights.bin'));
    expect(dirname(await local('n/model.onnx'))).not.toBe(dirname(path));
    expect(await readFile(path)).toEqual(Buffer.alloc(100, 'm/model.onnx'));
    expect((await lstat(path)).mode & 0o777).toBe(0o400);
    expect(await local('m/model.onnx')).toBe(path);
    expect(downloads()).toBe(3);
    // Another process of this machine finds the copy.
    expect(await local('m/model.onnx', await S3Store.open(config))).toBe(path);
    expect(downloads()).toBe(3);
  });

  it('shares one download between concurrent callers', async () => {
    await put('m/k', 100);
    const paths = await Promise.all(Array.from({ length: 20 }, () => local('m/k')));
    expect(new Set(paths).size).toBe(1);
    expect(downloads()).toBe(1);
  });

  it('copies a large blob in ranges without a change', { timeout: 60_000 }, async () => {
    const size = 70 * MIB + 3;
    const data = Buffer.alloc(size, 'some text that does not repeat at a power of two ');
    await store.put('m/large', data, MAX);
    expect((await readFile(await local('m/large'))).equals(data)).toBe(true);
    expect(downloads()).toBe(3);
  });

  it('replaces the copy of a replaced blob, and an open old copy keeps its bytes', async () => {
    await put('m/k', 100);
    const path = await local('m/k');
    await link(path, join(config.cacheFolder, 'held'));
    await store.put('m/k', Buffer.from('new'), MAX);
    expect(await local('m/k')).toBe(path);
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readFile(join(config.cacheFolder, 'held'))).toEqual(Buffer.alloc(100, 'm/k'));
    expect(await readdir(dirname(path))).toHaveLength(2);
    await store.delete('m/k');
    expect(await store.localPath('m/k')).toBeUndefined();
  });

  it('starts again when the blob is replaced during the download', async () => {
    await put('m/k', 100);
    let replaced = 0;
    proxy.decide((line) => {
      const isDownload = line.startsWith('GET') && line.includes('Get');
      return isDownload && replaced++ < 2 ? { status: 412, code: 'PreconditionFailed' } : 'pass';
    });
    expect(await readFile(await local('m/k'))).toEqual(Buffer.alloc(100, 'm/k'));
    expect(replaced).toBe(3);
  });

  it('evicts the least recently used folder above the bound, and nothing used in the last minute', async () => {
    for (const key of ['a/1', 'a/2', 'b/1', 'c/1', 'd/1']) await put(key, 300);
    const [a1, a2, b1] = [await local('a/1'), await local('a/2'), await local('b/1')];
    const all = async (...paths: string[]): Promise<boolean[]> => Promise.all(paths.map(exists));
    for (const path of [a1, a2]) await age(path, 3_000);
    await age(b1, 2_000);
    // Used again, so `a` is now the most recently used folder.
    await local('a/1');
    const c1 = await local('c/1');
    expect(await all(a1, a2, b1, c1)).toEqual([true, true, false, true]);
    await age(a1, 1_000);
    const d1 = await local('d/1');
    // Both files of `a` were old, so the whole folder was evicted.
    expect(await all(a1, a2, c1, d1)).toEqual([false, false, true, true]);
    // All are in use, so the bound is exceeded.
    for (const key of ['a/1', 'a/2', 'b/1']) await local(key);
    expect(await all(a1, a2, b1, c1, d1)).toEqual([true, true, true, true, true]);
  });

  it('copies a blob that is larger than the bound', async () => {
    await put('m/k', 5_000);
    expect((await stat(await local('m/k'))).size).toBe(5_000);
  });

  it('uses a private folder by default and refuses a folder of another user', async () => {
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = server.folder;
    try {
      const { cacheFolder: _, ...rest } = config;
      const own = await S3Store.open(rest);
      await put('m/k', 100);
      const folder = dirname(dirname(await local('m/k', own)));
      expect(basename(folder)).toBe(`sconce-cache-${process.getuid?.() ?? 'user'}`);
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
      await chmod(folder, 0o777);
      await expect(S3Store.open(rest)).rejects.toMatchObject({ code: 'storage_unavailable' });
    } finally {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
    }
  });

  it('removes the unfinished copy when a download fails, and reports the reason', async () => {
    await put('m/k', 100);
    proxy.decide((line) => (line.includes('GetObject') ? { status: 403, code: 'AccessDenied' } : 'pass'));
    await expect(store.localPath('m/k')).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: expect.stringContaining('access denied') as string,
    });
    proxy.decide(() => 'pass');
    expect(await exists(await local('m/k'))).toBe(true);
  });
});
