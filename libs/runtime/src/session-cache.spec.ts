import { describe, expect, it } from 'vitest';
import { SessionCache } from './session-cache.ts';
import type { ModelFile } from './thread-protocol.ts';

/** A file of version 1, or of the version behind a slash. */
function file(name: string, sizeBytes = 10, more: Partial<ModelFile> = {}): ModelFile {
  const [model = name, version = '1'] = name.split('/');
  return { model, version, key: name, path: name, sizeBytes, ...more };
}

function setUp(bounds: { maxModels?: number; maxBytes?: number; budgetFrom?: string } = {}) {
  const opened: string[] = [];
  const released: string[] = [];
  const broken = new Set<string>();
  const cache = new SessionCache({
    open: async ({ key }) => {
      opened.push(key);
      await Promise.resolve();
      if (broken.has(key)) throw new Error(`${key} is broken`);
      return { key, release: async () => void released.push(key) };
    },
    maxModels: bounds.maxModels ?? 2,
    maxBytes: bounds.maxBytes ?? 1_000,
    budgetFrom: bounds.budgetFrom,
  });
  const touch = (id: string, sizeBytes?: number, more?: Partial<ModelFile>) =>
    cache.use(file(id, sizeBytes, more), async (session) => session.key);
  return { cache, opened, released, broken, touch };
}

describe('SessionCache', () => {
  it('opens a model once for concurrent callers', async () => {
    const { opened, touch } = setUp();
    expect(await Promise.all([touch('a'), touch('a'), touch('a')])).toEqual(['a', 'a', 'a']);
    expect(opened).toEqual(['a']);
  });

  it('evicts the least recently used model, by count and by bytes', async () => {
    const byCount = setUp({ maxModels: 2 });
    for (const id of ['a', 'b', 'a', 'c']) await byCount.touch(id);
    expect(byCount.released).toEqual(['b']);
    const byBytes = setUp({ maxModels: 10, maxBytes: 25 });
    for (const id of ['a', 'b', 'c']) await byBytes.touch(id);
    expect(byBytes.released).toEqual(['a']);
    expect(byBytes.cache.size).toBe(2);
  });

  it('counts measured memory if it is known, and reports what it holds', async () => {
    const { cache, touch, released } = setUp({ maxModels: 10, maxBytes: 25 });
    await touch('a', 1_000, { memoryBytes: 5 });
    await touch('b', 1, { memoryBytes: 20 });
    expect([cache.held, released]).toEqual([{ models: 2, bytes: 25, evictions: 0 }, []]);
    await touch('c', 1);
    expect([cache.held, released]).toEqual([{ models: 2, bytes: 21, evictions: 1 }, ['a']]);
    // An eviction that was asked for does not count.
    await cache.evict('b');
    expect(cache.held).toEqual({ models: 1, bytes: 1, evictions: 1 });
  });

  it.each<[string, { maxModels?: number; maxBytes?: number }]>([
    ['count', { maxModels: 2 }],
    ['bytes', { maxModels: 10, maxBytes: 25 }],
  ])('keeps models with keepLoaded and evicts others, by %s', async (_, bounds) => {
    const { touch, released, opened } = setUp(bounds);
    await touch('kept', 10, { keepLoaded: true });
    for (const id of ['a', 'b', 'c']) await touch(id);
    expect(released).toEqual(['a', 'b']);
    await touch('kept', 10, { keepLoaded: true });
    expect(opened).toEqual(['kept', 'a', 'b', 'c']);
  });

  it('uses the keepLoaded of the last user', async () => {
    const { cache, touch, released } = setUp({ maxModels: 2 });
    await touch('a', 10, { keepLoaded: true });
    await touch('a');
    await touch('b', 10, { keepLoaded: false });
    await touch('b', 10, { keepLoaded: true });
    await touch('c');
    expect(released).toEqual(['a']);
    // An eviction that is asked for ignores keepLoaded.
    await cache.evict('b');
    expect(released).toEqual(['a', 'b']);
  });

  it('refuses a model that does not fit beside kept models, with the sums, and evicts nothing for it', async () => {
    const { cache, touch, released, opened } = setUp({ maxModels: 10, maxBytes: 100 });
    await touch('k/1', 30, { keepLoaded: true });
    await touch('l/2', 999, { keepLoaded: true, memoryBytes: 40 });
    await touch('other', 20);
    await expect(touch('n/1', 31)).rejects.toMatchObject({
      code: 'model_not_ready',
      message:
        'Model n/1 does not fit in this worker: it needs 31 bytes of the 100 that a thread may use, ' +
        'and 70 of them are kept for other models (k/1 30, l/2 40). ' +
        'Raise SCONCE_MAX_MODEL_BYTES_PER_THREAD or SCONCE_MAX_MODELS_PER_THREAD, or keep fewer models.',
      details: { neededBytes: 31, keptBytes: 70, maxBytes: 100 },
    });
    expect([released, opened.length, cache.size]).toEqual([[], 3, 3]);
    // A model that just fits gets the room of models that are not kept.
    expect(await touch('n/1', 30)).toBe('n/1');
    expect(released).toEqual(['other']);
    expect(cache.held.bytes).toBe(100);
    // Models that are held are still served. An eviction makes room.
    expect(await touch('k/1', 30, { keepLoaded: true })).toBe('k/1');
    await cache.evict('l/2');
    expect(await touch('m/1', 60)).toBe('m/1');
  });

  it('reports how the budget was computed if it follows from the container', async () => {
    const { touch } = setUp({ maxBytes: 9, budgetFrom: '(20 of memory − 2 of its own) / 2 threads = 9' });
    await expect(touch('a', 10)).rejects.toThrow(
      'it needs 10 bytes of the 9 that a thread may use ((20 of memory − 2 of its own) / 2 threads = 9). ' +
        'Give the worker more memory or fewer threads (SCONCE_THREADS), or keep fewer models.',
    );
  });

  it.each<[string, { maxModels?: number; maxBytes?: number }, RegExp]>([
    ['bytes', { maxBytes: 9 }, /it needs 10 bytes of the 9 that a thread may use\. Raise/],
    [
      'count',
      { maxModels: 1 },
      /at most 1 models, and all of these places are kept for other models \(kept\/1 5\)\. Raise/,
    ],
  ])('refuses by %s', async (_, bounds, message) => {
    const { touch } = setUp(bounds);
    await touch('kept', 5, { keepLoaded: bounds.maxModels !== undefined });
    await expect(touch('a', 10)).rejects.toThrow(message);
  });

  it('releases a session in use only after its last user', async () => {
    const { cache, released } = setUp({ maxModels: 1 });
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const running = cache.use(file('a'), () => gate);
    await cache.use(file('b'), async () => undefined);
    expect(released).toEqual([]);
    await cache.evict('a');
    expect(released).toEqual([]);
    open();
    await running;
    expect(released).toEqual(['a']);
  });

  it('keeps no entry for a failed load, and tries again', async () => {
    const { cache, broken, touch, opened } = setUp();
    broken.add('a');
    await expect(touch('a')).rejects.toThrow('a is broken');
    expect(cache.size).toBe(0);
    broken.clear();
    expect(await touch('a')).toBe('a');
    expect(opened).toEqual(['a', 'a']);
  });
});
