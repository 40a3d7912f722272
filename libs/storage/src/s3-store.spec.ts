import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { describeBlobStore } from './blob-store.conformance.ts';
import { S3Store } from './index.ts';
import { startS3Proxy, startS3TestServer, type S3Proxy, type S3TestServer } from './testing/index.ts';

const MIB = 1024 ** 2;
const MAX = { maxBytes: 1024 * MIB };
let server: S3TestServer;
let prefixes = 0;

beforeAll(async () => {
  server = await startS3TestServer();
});
afterAll(() => server.stop());

describeBlobStore('S3Store', async () => {
  const config = server.config(`conformance/${prefixes++}`);
  const store = await S3Store.open(config);
  return {
    store,
    traceBytes: 8 * MIB + 1,
    leftovers: async () => [
      ...(await server.unfinishedUploads()),
      ...(await readdir(join(config.cacheFolder, '.tmp'))),
    ],
    close: () => Promise.resolve(),
  };
});

/** Bytes that differ from position to position, in pieces of an odd size. */
async function* pieces(sizeBytes: number, seed = 0, pieceBytes = 777_777): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < sizeBytes; at += pieceBytes) {
    const piece = Buffer.alloc(Math.min(pieceBytes, sizeBytes - at), `${seed}:${at} `);
    yield piece;
  }
}
async function sha256(body: AsyncIterable<unknown> | undefined): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of body ?? []) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

describe('S3Store', () => {
  let proxy: S3Proxy;
  let store: S3Store;
  const requests = (text: string): string[] => proxy.requests.filter((line) => line.includes(text));

  beforeEach(async () => {
    proxy = await startS3Proxy(server.endpoint);
    store = await S3Store.open({ ...server.config(`own/${prefixes++}`), endpoint: proxy.endpoint });
  });
  afterEach(async () => {
    await proxy.close();
    expect(await server.unfinishedUploads()).toEqual([]);
  });

  it('sends a body of unknown length in parts and returns it unchanged', { timeout: 60_000 }, async () => {
    const size = 21 * MIB + 5;
    const stored = await store.put('big', pieces(size), MAX);
    expect(stored).toEqual({ sizeBytes: size, sha256: await sha256(pieces(size)) });
    expect(requests('partNumber=')).toHaveLength(3);
    expect(await store.stat('big')).toMatchObject({ sizeBytes: size });
    expect(await sha256(await store.stream('big'))).toBe(stored.sha256);
    const { key } = await store.putContent('c/', '.bin', pieces(size), MAX);
    expect(key).toBe(`c/${stored.sha256}.bin`);
    expect(await sha256(await store.stream(key))).toBe(stored.sha256);
  });

  it('needs one request for a body that exactly fits into a part', async () => {
    await store.put('k', pieces(8 * MIB), MAX);
    expect(requests('uploads')).toHaveLength(1); // From the opening of the store.
    await store.put('k', pieces(8 * MIB + 1), MAX);
    expect(requests('partNumber=')).toHaveLength(2);
  });

  it.each([
    ['fails', () => fails(20 * MIB), MAX.maxBytes, 'gone'],
    ['is too large', () => pieces(21 * MIB), 20 * MIB, 'larger than'],
  ])('abandons the multipart upload when the body %s', async (_, body, maxBytes, message) => {
    await expect(store.put('k', body(), { maxBytes })).rejects.toThrow(message);
    expect(requests('partNumber=').length).toBeGreaterThan(0);
    expect(await store.stat('k')).toBeUndefined();
  });

  it('accepts one of several large ifAbsent uploads and abandons the others', async () => {
    const results = await Promise.all(
      [1, 2, 3].map((seed) => store.put('k', pieces(9 * MIB, seed), { ...MAX, ifAbsent: true })),
    );
    const [winner, ...others] = results.filter((result) => result !== 'exists');
    expect(others).toEqual([]);
    expect(await sha256(await store.stream('k'))).toBe(winner?.sha256);
  });

  it.each([
    ['one request', 1000, /^PUT .*\/k\?/],
    ['several requests', 9 * MIB, /^POST .*uploadId=/],
  ])('recognises its own success when the answer to %s was lost', async (_, size, last) => {
    let lost = 0;
    proxy.decide((line) => (last.test(line) && lost++ === 0 ? 'lose-answer' : 'pass'));
    const stored = await store.put('k', pieces(size), { ...MAX, ifAbsent: true });
    expect(stored).toMatchObject({ sizeBytes: size });
    expect(lost).toBe(2);
    expect(await store.put('k', pieces(size), { ...MAX, ifAbsent: true })).toBe('exists');
  });

  it.each([
    ['one request', 1000, /^PUT .*\/k\?/],
    ['several requests', 9 * MIB, /^POST .*uploadId=/],
  ])('repeats %s when the server reports a conflict', async (_, size, last) => {
    let conflicts = 0;
    proxy.decide((line) =>
      last.test(line) && conflicts++ < 2 ? { status: 409, code: 'ConditionalRequestConflict' } : 'pass',
    );
    expect(await store.put('k', pieces(size), { ...MAX, ifAbsent: true })).toMatchObject({ sizeBytes: size });
    expect(conflicts).toBe(3);
  });

  it('fails with the server’s reason when a part fails, even while the body hangs', async () => {
    proxy.decide((line) => (line.includes('partNumber=') ? { status: 403, code: 'AccessDenied' } : 'pass'));
    const hanging = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces(9 * MIB);
      await new Promise(() => undefined);
    };
    await expect(store.put('k', hanging(), MAX)).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: expect.stringContaining('access denied') as string,
    });
  });

  it('ends requests in flight when the signal aborts', async () => {
    proxy.decide((line) => (line.includes('partNumber=') ? 'hang' : 'pass'));
    const abort = new AbortController();
    const put = store.put('k', pieces(100 * MIB), { ...MAX, signal: abort.signal });
    setTimeout(() => abort.abort(new Error('enough')), 200);
    await expect(put).rejects.toThrow('enough');
    // The server never got these requests. Its upload was aborted.
    expect(await store.stat('k')).toBeUndefined();
  });

  it('continues a read after the connection was lost', async () => {
    const size = 2 * MIB;
    const { sha256: expected } = await store.put('k', pieces(size), MAX);
    let reads = 0;
    proxy.decide((line) => (line.startsWith('GET') && reads++ < 3 ? { breakAfterBytes: 300_000 } : 'pass'));
    expect(await sha256(await store.stream('k'))).toBe(expected);
    expect(reads).toBe(4);
    reads = 0;
    const bytes = (await store.get('k', MAX)) ?? new Uint8Array();
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(expected);
    expect(reads).toBe(4);
    // Without progress it fails.
    proxy.decide((line) => (line.startsWith('GET') ? { breakAfterBytes: 0 } : 'pass'));
    await expect(sha256(await store.stream('k'))).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  it('reads a large blob at random, also concurrently, and never mixes two versions', async () => {
    await store.put('k', Buffer.alloc(MIB, 'a'), MAX);
    await using source = await store.open('k');
    const reads = [0, 1, 2, 3].map((index) => source?.read(index * 1000, 1000));
    for (const bytes of await Promise.all(reads)) expect(Buffer.from(bytes ?? []).toString()).toBe('a'.repeat(1000));
    await store.put('k', Buffer.alloc(MIB, 'b'), MAX);
    await expect(source?.read(5, 5)).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: 'k was replaced by another upload while it was read: read it again from the start',
    });
    await store.delete('k');
    await expect(source?.read(5, 5)).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: 'k was deleted while it was read: read it again from the start',
    });
    await source?.close();
    await expect(source?.read(5, 5)).rejects.toMatchObject({ code: 'internal' });
  });

  it('fails a stream that loses its connection after the blob was replaced', async () => {
    await store.put('k', pieces(4 * MIB, 1), MAX);
    proxy.decide((line) => (line.startsWith('GET') ? { breakAfterBytes: MIB } : 'pass'));
    const stream = await store.stream('k');
    await store.put('k', pieces(4 * MIB, 2), MAX);
    proxy.decide(() => 'pass');
    await expect(sha256(stream)).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: expect.stringContaining('replaced') as string,
    });
  });

  it('lists and deletes more than a page of keys', { timeout: 90_000 }, async () => {
    const keys = Array.from({ length: 1_050 }, (_, index) => `many/${index % 7}/${index}`);
    for (let at = 0; at < keys.length; at += 50) {
      await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, Buffer.from('x'), MAX)));
    }
    await store.put('many.beside', Buffer.from('x'), MAX);
    const listed = async (prefix: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const { key } of store.list(prefix)) found.push(key);
      return found;
    };
    expect(await listed('many/')).toEqual(keys.toSorted());
    await store.deletePrefix('many/');
    expect(requests('?delete').length).toBe(2);
    expect(await listed('')).toEqual(['many.beside']);
  });

  it('removes stale uploads of crashed processes when opened, and keeps fresh ones', async () => {
    const config = { ...server.config('crashed'), endpoint: proxy.endpoint };
    const crashing = await S3Store.open(config);
    proxy.decide((line) => (line.startsWith('DELETE') ? { status: 403, code: 'AccessDenied' } : 'pass'));
    await expect(crashing.put('k', fails(9 * MIB), MAX)).rejects.toThrow('gone');
    proxy.decide(() => 'pass');
    expect(await server.unfinishedUploads()).toHaveLength(1);
    await S3Store.open(config);
    expect(await server.unfinishedUploads()).toHaveLength(1);
    await S3Store.open({ ...config, staleTempMs: 1 });
  });

  it('stores 300 MB in bounded memory', { timeout: 90_000 }, async () => {
    const held = (): number => {
      const { arrayBuffers, external } = process.memoryUsage();
      return Math.max(arrayBuffers, external);
    };
    const piece = Buffer.alloc(256 * 1024, 'x');
    const size = 300 * 1000 * 1000;
    const before = held();
    let peak = 0;
    const body = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < size; at += piece.length) {
        peak = Math.max(peak, held() - before);
        yield piece.subarray(0, size - at);
      }
    };
    expect(await store.put('huge', body(), MAX)).toMatchObject({ sizeBytes: size });
    expect(peak).toBeLessThan(64 * MIB);
  });
});

async function* fails(sizeBytes: number): AsyncGenerator<Uint8Array> {
  yield* pieces(sizeBytes);
  throw new Error('gone');
}
