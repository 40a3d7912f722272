import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BlobStore } from './blob-store.ts';

/** A fresh, empty store for one test. */
export interface BlobStoreHarness {
  readonly store: BlobStore;
  /** Names of the remains of unfinished uploads. Must be empty when no upload is in flight. */
  leftovers(): Promise<readonly string[]>;
  /** Bytes of a body from which its upload is visible in `leftovers`; shorter bodies wait in memory. Default 1. */
  readonly traceBytes?: number;
  close(): Promise<void>;
}

const MAX = { maxBytes: 1_000_000 };
const bytes = (text: string): Uint8Array => Buffer.from(text);
async function* failing(): AsyncGenerator<Uint8Array> {
  yield bytes('1');
  throw new Error('gone');
}
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** The tests that every BlobStore must pass. */
export function describeBlobStore(name: string, open: () => Promise<BlobStoreHarness>): void {
  describe(`${name} as a BlobStore`, () => {
    let harness: BlobStoreHarness;
    let store: BlobStore;
    const text = async (key: string): Promise<string | undefined> => {
      const found = await store.get(key, MAX);
      return found === undefined ? undefined : Buffer.from(found).toString();
    };
    const keys = async (prefix: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const { key } of store.list(prefix)) found.push(key);
      return found;
    };

    beforeEach(async () => {
      harness = await open();
      store = harness.store;
    });
    afterEach(async () => {
      const leftovers = await harness.leftovers();
      await harness.close();
      expect(leftovers).toEqual([]);
    });

    it('names a blob after its content and stores it once', async () => {
      const stored = await store.putContent('a/', '.txt', bytes('hello'), MAX);
      const key = `a/${sha256(bytes('hello'))}.txt`;
      expect(stored).toEqual({ key, sizeBytes: 5, sha256: sha256(bytes('hello')) });
      expect(await store.putContent('a/', '.txt', bytes('hello'), MAX)).toEqual(stored);
      expect(await keys('')).toEqual([key]);
      expect(await text(key)).toBe('hello');
    });

    it.each([
      ['a body that is too large', 'payload_too_large', () => bytes('12345'), 'a/'],
      ['a body that fails', 'gone', () => Readable.from(failing()), 'a/'],
      ['a prefix that is not valid', 'invalid_request', () => bytes('1'), 'a'],
    ])('stores nothing for %s with putContent', async (_, code, body, prefix) => {
      await expect(store.putContent(prefix, '', body(), { maxBytes: 4 })).rejects.toSatisfy(
        (error: Error & { code?: string }) => error.code === code || error.message === code,
      );
      expect(await keys('')).toEqual([]);
    });

    it.each([
      ['bytes', () => bytes('hello')],
      ['a Readable', () => Readable.from([bytes('he'), bytes('llo')])],
      ['a Readable of text', () => Readable.from(['he', 'llo'])],
      [
        'a generator',
        async function* () {
          yield bytes('hel');
          yield new Uint8Array();
          yield bytes('lo');
        },
      ],
    ])('stores %s and returns size and sha256', async (_, body) => {
      const made = body();
      const stored = await store.put('a/b/hello.txt', made, MAX);
      expect(stored).toEqual({ sizeBytes: 5, sha256: sha256(bytes('hello')) });
      expect(await text('a/b/hello.txt')).toBe('hello');
      expect(await store.stat('a/b/hello.txt')).toMatchObject({ key: 'a/b/hello.txt', sizeBytes: 5 });
    });

    it('stores an empty body as an empty blob, and replaces a blob as a whole', async () => {
      expect(await store.put('k', new Uint8Array(), MAX)).toEqual({ sizeBytes: 0, sha256: sha256(new Uint8Array()) });
      expect(await text('k')).toBe('');
      await store.put('k', bytes('a longer one'), MAX);
      await store.put('k', bytes('short'), MAX);
      expect(await text('k')).toBe('short');
    });

    it('returns several megabytes unchanged', async () => {
      const data = new Uint8Array(3_000_001).map((_, index) => (index * 31) % 251);
      const stored = await store.put('big', data, { maxBytes: data.length });
      expect(stored).toEqual({ sizeBytes: data.length, sha256: sha256(data) });
      const hash = createHash('sha256');
      for await (const chunk of (await store.stream('big')) ?? []) hash.update(chunk as Uint8Array);
      expect(hash.digest('hex')).toBe(stored.sha256);
    });

    it('returns undefined for a missing blob and deletes it without an error', async () => {
      await store.put('a/b', bytes('x'), MAX);
      for (const key of ['nothing', 'a', 'a/c', 'a/b/c']) {
        expect(await store.get(key, MAX)).toBeUndefined();
        expect(await store.open(key)).toBeUndefined();
        expect(await store.stream(key)).toBeUndefined();
        expect(await store.stat(key)).toBeUndefined();
        expect(await store.localPath(key)).toBeUndefined();
        await store.delete(key);
      }
      await store.deletePrefix('nothing/');
      await store.deletePrefix('a/b/');
      expect(await text('a/b')).toBe('x');
    });

    it('accepts exactly maxBytes and refuses one byte more at once', async () => {
      await store.put('k', bytes('12345'), { maxBytes: 5 });
      let pulled = 0;
      const endless = async function* (): AsyncGenerator<Uint8Array> {
        for (;;) {
          pulled += 1;
          yield bytes('123');
        }
      };
      await expect(store.put('k', endless(), { maxBytes: 5 })).rejects.toMatchObject({ code: 'payload_too_large' });
      expect(pulled).toBe(2);
      expect(await text('k')).toBe('12345');
      await expect(store.get('k', { maxBytes: 4 })).rejects.toMatchObject({ code: 'payload_too_large' });
    });

    it('keeps the old blob, stores nothing of the new one and throws its error when the body fails', async () => {
      await store.put('k', bytes('old'), MAX);
      const failure = new Error('client went away');
      const failing = async function* (): AsyncGenerator<Uint8Array> {
        yield bytes('new but');
        throw failure;
      };
      await expect(store.put('k', failing(), MAX)).rejects.toBe(failure);
      await expect(store.put('fresh', failing(), MAX)).rejects.toBe(failure);
      expect(await text('k')).toBe('old');
      expect(await keys('')).toEqual(['k']);
    });

    it('shows a blob only when it is complete, and an abort ends even a body that hangs', async () => {
      const abort = new AbortController();
      const started = Promise.withResolvers<void>();
      const hanging = async function* (): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(harness.traceBytes ?? 1);
        started.resolve();
        await new Promise(() => undefined);
      };
      const put = store.put('k', hanging(), { maxBytes: 100_000_000, signal: abort.signal });
      await started.promise;
      expect(await store.stat('k')).toBeUndefined();
      expect(await keys('')).toEqual([]);
      expect(await harness.leftovers()).toHaveLength(1);
      const reason = new Error('enough');
      abort.abort(reason);
      await expect(put).rejects.toBe(reason);
      expect(await store.stat('k')).toBeUndefined();
      await expect(store.put('k', bytes('x'), { ...MAX, signal: abort.signal })).rejects.toBe(reason);
    });

    it('does not destroy a Readable but ends a generator when an upload is refused', async () => {
      const readable = Readable.from([bytes('123'), bytes('456'), bytes('789')]);
      await expect(store.put('k', readable, { maxBytes: 4 })).rejects.toMatchObject({ code: 'payload_too_large' });
      expect(readable.destroyed).toBe(false);
      readable.destroy();

      const ended = Promise.withResolvers<void>();
      const generator = async function* (): AsyncGenerator<Uint8Array> {
        try {
          for (;;) yield bytes('123');
        } finally {
          ended.resolve();
        }
      };
      await expect(store.put('k', generator(), { maxBytes: 4 })).rejects.toMatchObject({ code: 'payload_too_large' });
      await ended.promise;
    });

    it('accepts exactly one of 20 parallel ifAbsent uploads', async () => {
      const bodies = Array.from({ length: 20 }, (_, index) => `body ${index}`);
      const gate = Promise.withResolvers<void>();
      // All uploads have passed the early check of the key before the first may finish.
      let waiting = 0;
      const results = await Promise.all(
        bodies.map((body) =>
          store.put(
            'race/k',
            (async function* () {
              if (++waiting === bodies.length) gate.resolve();
              await gate.promise;
              yield bytes(body);
            })(),
            { ...MAX, ifAbsent: true },
          ),
        ),
      );
      const winners = results.flatMap((result, index) => (result === 'exists' ? [] : [bodies[index]]));
      expect(winners).toHaveLength(1);
      expect(await text('race/k')).toBe(winners[0]);
      expect(await store.put('race/k', bytes('late'), { ...MAX, ifAbsent: true })).toBe('exists');
    });

    it('gives a reader one whole version during parallel overwrites', async () => {
      await store.put('k', bytes('0'.repeat(5000)), MAX);
      const writers = Array.from({ length: 10 }, (_, index) => store.put('k', bytes(String(index).repeat(5000)), MAX));
      const readers = Array.from({ length: 20 }, () => text('k'));
      for (const seen of await Promise.all(readers)) expect(seen).toMatch(/^(\d)\1{4999}$/);
      await Promise.all(writers);
    });

    it('handles puts and deletes in the same folder at the same time', async () => {
      for (let round = 0; round < 10; round++) {
        await store.put('p/q/old', bytes('x'), MAX);
        await Promise.all([
          store.put('p/q/new', bytes('y'), MAX),
          store.delete('p/q/old'),
          store.put('p/q/s/t', bytes('z'), MAX),
        ]);
        expect(await keys('p/')).toEqual(['p/q/new', 'p/q/s/t']);
        await Promise.all([store.delete('p/q/new'), store.deletePrefix('p/q/s/')]);
        expect(await keys('')).toEqual([]);
      }
    });

    it('reads at random up to the last byte, and an open blob does not change', async () => {
      await store.put('k', bytes('0123456789'), MAX);
      const source = await store.open('k');
      if (source === undefined) throw new Error('missing');
      const at = async (offset: number, length: number): Promise<string> =>
        Buffer.from(await source.read(offset, length)).toString();
      expect(source.size).toBe(10);
      expect(await at(3, 4)).toBe('3456');
      expect(await at(9, 1)).toBe('9');
      expect(await at(10, 0)).toBe('');
      for (const [offset, length] of [
        [9, 2],
        [11, 0],
        [-1, 1],
        [0, -1],
        [0.5, 1],
        [0, NaN],
      ] as const) {
        await expect(source.read(offset, length)).rejects.toMatchObject({ code: 'internal' });
      }
      await store.put('k', bytes('replaced'), MAX);
      expect(await at(0, 10)).toBe('0123456789');
      await store.delete('k');
      expect(await at(0, 2)).toBe('01');
      await source.close();
      await source.close();
    });

    it('streams a range', async () => {
      await store.put('k', bytes('0123456789'), MAX);
      const read = async (offset: number, length: number): Promise<string> =>
        Buffer.concat(await ((await store.stream('k', { offset, length })) ?? Readable.from([])).toArray()).toString();
      expect(await read(2, 5)).toBe('23456');
      expect(await read(0, 10)).toBe('0123456789');
      expect(await read(10, 0)).toBe('');
      await expect(read(5, 6)).rejects.toMatchObject({ code: 'internal' });
    });

    it('lists blobs below a prefix in key order', async () => {
      const all = ['a', 'b-1/x', 'b/1', 'b/10', 'b/2/x', 'b/2/y', 'b.d/x', 'b0', 'bb/1'].sort();
      for (const key of all.toReversed()) await store.put(key, bytes(key), MAX);
      expect(await keys('')).toEqual(all);
      expect(await keys('b/')).toEqual(['b/1', 'b/10', 'b/2/x', 'b/2/y']);
      expect(await keys('b/2/')).toEqual(['b/2/x', 'b/2/y']);
      expect(await keys('c/')).toEqual([]);
      for await (const { sizeBytes, key } of store.list('bb/')) expect(sizeBytes).toBe(key.length);
    });

    it('deletes all blobs below a prefix and no others', async () => {
      for (const key of ['m/a/1', 'm/a/2/x', 'm/ab/1', 'm/a.b']) await store.put(key, bytes('x'), MAX);
      await store.deletePrefix('m/a/');
      expect(await keys('')).toEqual(['m/a.b', 'm/ab/1']);
      await store.put('m/a/1', bytes('again'), MAX);
      expect(await text('m/a/1')).toBe('again');
    });

    it.each([
      '',
      '/',
      '/etc/passwd',
      'a/',
      '/a',
      'a//b',
      '.',
      '..',
      '../x',
      'a/../../x',
      'a/./b',
      '.tmp/x',
      'a\\..\\b',
      'a\0b',
      'a b',
      'ü',
      'a%2e',
      'a\n',
      `${'x'.repeat(201)}`,
      Array.from({ length: 402 }, () => 'a').join('/'),
    ])('refuses the key %j everywhere', async (key) => {
      const refusal = { code: 'invalid_request' };
      await expect(store.put(key, bytes('x'), MAX)).rejects.toMatchObject(refusal);
      await expect(store.get(key, MAX)).rejects.toMatchObject(refusal);
      await expect(store.open(key)).rejects.toMatchObject(refusal);
      await expect(store.stream(key)).rejects.toMatchObject(refusal);
      await expect(store.stat(key)).rejects.toMatchObject(refusal);
      await expect(store.delete(key)).rejects.toMatchObject(refusal);
      await expect(store.localPath(key)).rejects.toMatchObject(refusal);
      await expect(store.deletePrefix(`${key}/`)).rejects.toMatchObject(refusal);
      await expect(keys(`${key}/`)).rejects.toMatchObject(refusal);
    });

    it('refuses a prefix without its slash, and an empty prefix for deletePrefix', async () => {
      await expect(keys('a')).rejects.toMatchObject({ code: 'invalid_request' });
      await expect(store.deletePrefix('a')).rejects.toMatchObject({ code: 'invalid_request' });
      await expect(store.deletePrefix('')).rejects.toMatchObject({ code: 'invalid_request' });
    });
  });
}
