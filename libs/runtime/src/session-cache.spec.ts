import { describe, expect, it } from 'vitest';
import { SessionCache } from './session-cache.ts';
import type { ModelFile } from './thread-protocol.ts';

const file = (id: string, sizeBytes = 10): ModelFile => ({ id, path: id, sizeBytes });

function setUp(bounds: { maxModels?: number; maxBytes?: number } = {}) {
  const opened: string[] = [];
  const released: string[] = [];
  const broken = new Set<string>();
  const cache = new SessionCache({
    open: async ({ id }) => {
      opened.push(id);
      await Promise.resolve();
      if (broken.has(id)) throw new Error(`${id} is broken`);
      return { id, release: async () => void released.push(id) };
    },
    maxModels: bounds.maxModels ?? 2,
    maxBytes: bounds.maxBytes ?? 1_000,
  });
  const touch = (id: string, sizeBytes?: number) => cache.use(file(id, sizeBytes), async (session) => session.id);
  return { cache, opened, released, broken, touch };
}

describe('SessionCache', () => {
  it('opens a model once, however many ask at a time', async () => {
    const { opened, touch } = setUp();
    expect(await Promise.all([touch('a'), touch('a'), touch('a')])).toEqual(['a', 'a', 'a']);
    expect(opened).toEqual(['a']);
  });

  it('lets the least recently used go, by count and by bytes', async () => {
    const byCount = setUp({ maxModels: 2 });
    for (const id of ['a', 'b', 'a', 'c']) await byCount.touch(id);
    expect(byCount.released).toEqual(['b']);
    const byBytes = setUp({ maxModels: 10, maxBytes: 25 });
    for (const id of ['a', 'b', 'c']) await byBytes.touch(id);
    expect(byBytes.released).toEqual(['a']);
    expect(byBytes.cache.size).toBe(2);
  });

  it('releases what is in use only after its last user', async () => {
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

  it('keeps nothing of a failed load, and tries again', async () => {
    const { cache, broken, touch, opened } = setUp();
    broken.add('a');
    await expect(touch('a')).rejects.toThrow('a is broken');
    expect(cache.size).toBe(0);
    broken.clear();
    expect(await touch('a')).toBe('a');
    expect(opened).toEqual(['a', 'a']);
  });
});
