import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SconceError } from '@sconce/errors';
import { FolderStore } from '@sconce/storage';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  ModelDirectory,
  ModelRepository,
  modelDirectoryConfigSchema,
  type ModelManifest,
  type ModelState,
} from './index.ts';

/** A repository whose answers the test gives, one by one, when it likes. */
class ScriptedRepository {
  readonly calls: string[] = [];
  readonly #waiting: PromiseWithResolvers<ModelManifest>[] = [];
  loaded = true;

  get(name: string, version?: string): Promise<ModelManifest> {
    this.calls.push(`${name}/${version ?? ''}`);
    const answer = Promise.withResolvers<ModelManifest>();
    this.#waiting.push(answer);
    return answer.promise;
  }

  async state(): Promise<ModelState> {
    return { loaded: this.loaded, default_version: 'latest', keep_loaded: false };
  }

  /** Answers the oldest call and waits until whoever asked has seen it. */
  async answer(with_: string | Error): Promise<void> {
    const next = this.#waiting.shift();
    if (next === undefined) throw new Error('nobody is asking');
    if (with_ instanceof Error) next.reject(with_);
    else next.resolve({ version: with_ } as ModelManifest);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const notFound = (): SconceError => new SconceError('model_not_found', 'no');
const down = (): SconceError => new SconceError('storage_unavailable', 'down');

describe('ModelDirectory', () => {
  let repository: ScriptedRepository;
  let directory: ModelDirectory;
  let nowMs: number;
  let refreshErrors: unknown[];
  const version = async (name = 'm', wanted?: string): Promise<string> =>
    (await directory.resolve(name, wanted)).manifest.version;
  const first = async (answer: string, name = 'm', wanted?: string): Promise<void> => {
    const loading = version(name, wanted);
    await repository.answer(answer);
    expect(await loading).toBe(answer);
  };

  beforeEach(() => {
    repository = new ScriptedRepository();
    nowMs = 0;
    refreshErrors = [];
    directory = new ModelDirectory({
      repository,
      config: { maxEntries: 3 },
      now: () => nowMs,
      onRefreshError: (error) => refreshErrors.push(error),
    });
  });

  it('answers from memory while an entry is fresh, for each version separately', async () => {
    await first('1');
    await first('2', 'm', '2');
    nowMs = 999;
    expect(await version()).toBe('1');
    expect(await version('m', '2')).toBe('2');
    expect(repository.calls).toEqual(['m/', 'm/2']);
  });

  it('gives an entry without a promise while it is fresh', async () => {
    expect(directory.fresh('m')).toBeUndefined();
    await first('1');
    nowMs = 999;
    expect(directory.fresh('m')).toMatchObject({ manifest: { version: '1' } });
    expect(directory.fresh('m', '1')).toBeUndefined();
    nowMs = 1000;
    expect(directory.fresh('m')).toBeUndefined();
    expect(repository.calls).toEqual(['m/']);
  });

  it('loads once for concurrent callers', async () => {
    const asking = [version(), version(), version()];
    await repository.answer('1');
    expect(await Promise.all(asking)).toEqual(['1', '1', '1']);
    expect(repository.calls).toHaveLength(1);
  });

  it('answers from memory while an entry is stale, and refreshes it once in the background', async () => {
    await first('1');
    nowMs = 1000;
    expect(await Promise.all([version(), version()])).toEqual(['1', '1']);
    expect(repository.calls).toHaveLength(2);
    repository.loaded = false;
    await repository.answer('2');
    expect(await directory.resolve('m')).toMatchObject({ manifest: { version: '2' } });
    nowMs = 1999;
    expect(await version()).toBe('2');
    expect(repository.calls).toHaveLength(2);
  });

  it('loads before it answers with an old entry, and uses the old entry while the store is down', async () => {
    await first('1');
    nowMs = 6_001;
    const asked = [version(), version()];
    await repository.answer('2');
    expect(await Promise.all(asked)).toEqual(['2', '2']);
    expect(repository.calls).toHaveLength(2);
    nowMs = 20_000;
    const without = version();
    await repository.answer(down());
    expect(await without).toBe('2');
    nowMs = 40_000;
    const gone = expect(version()).rejects.toMatchObject({ code: 'model_not_found' });
    await repository.answer(notFound());
    await gone;
  });

  it('keeps a stale answer while the store is down, and loads again only after the TTL', async () => {
    await first('1');
    nowMs = 1000;
    expect(await version()).toBe('1');
    const error = down();
    await repository.answer(error);
    expect(refreshErrors).toEqual([error]);
    nowMs = 1999;
    expect(await version()).toBe('1');
    expect(repository.calls).toHaveLength(2);
    nowMs = 2000;
    expect(await version()).toBe('1');
    expect(repository.calls).toHaveLength(3);
    await repository.answer('2');
    expect(await version()).toBe('2');
  });

  it.each(['model_not_found', 'model_not_ready'] as const)('drops a model whose refresh throws %s', async (code) => {
    await first('1');
    nowMs = 1000;
    expect(await version()).toBe('1');
    await repository.answer(new SconceError(code, 'no'));
    await expect(version()).rejects.toMatchObject({ code });
    expect(refreshErrors).toEqual([]);
  });

  it('keeps a miss for 250 ms', async () => {
    const missing = version();
    const seen = expect(missing).rejects.toMatchObject({ code: 'model_not_found' });
    await repository.answer(notFound());
    await seen;
    nowMs = 249;
    await expect(version()).rejects.toMatchObject({ code: 'model_not_found' });
    expect(repository.calls).toHaveLength(1);
    nowMs = 250;
    await first('1');
    expect(modelDirectoryConfigSchema.safeParse({ missTtlMs: 251 }).success).toBe(false);
  });

  it('does not keep other failures of a first load', async () => {
    const seen = expect(version()).rejects.toMatchObject({ code: 'storage_unavailable' });
    await repository.answer(down());
    await seen;
    await first('1');
  });

  it('drops all versions of a name, and no other name, when it is invalidated', async () => {
    await first('1');
    await first('2', 'm', '2');
    await first('1', 'mm');
    directory.invalidate('m');
    await first('3');
    await first('3', 'm', '2');
    expect(await version('mm')).toBe('1');
    expect(repository.calls).toHaveLength(5);
  });

  it('does not keep a load that was in flight when the name was invalidated', async () => {
    const early = version();
    directory.invalidate('m');
    const late = version();
    await repository.answer('old');
    await repository.answer('new');
    expect(await early).toBe('old');
    expect(await late).toBe('new');
    expect(await version()).toBe('new');
    expect(repository.calls).toHaveLength(2);
  });

  it('evicts the least recently used entry, and misses evict no hits', async () => {
    for (const name of ['a', 'b', 'c']) await first('1', name);
    await version('a');
    await first('1', 'd');
    for (const name of ['w', 'x', 'y', 'z']) {
      const seen = expect(version(name)).rejects.toThrow();
      await repository.answer(notFound());
      await seen;
    }
    const before = repository.calls.length;
    for (const name of ['a', 'c', 'd']) expect(await version(name)).toBe('1');
    expect(repository.calls).toHaveLength(before);
    await first('1', 'b');
  });

  it('refuses invalid names and versions without a load', async () => {
    await expect(directory.resolve('a/b')).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(directory.resolve('a', 'latest')).rejects.toMatchObject({ code: 'invalid_request' });
    expect(repository.calls).toEqual([]);
  });

  it('works on a real repository', async () => {
    const root = await mkdtemp(join(tmpdir(), 'sconce-models-'));
    try {
      const real = new ModelRepository({ store: await FolderStore.open({ root }) });
      const cached = new ModelDirectory({ repository: real });
      await expect(cached.resolve('m')).rejects.toMatchObject({ code: 'model_not_found' });
      const manifest = await real.receive('m', undefined, Buffer.from('PK\x03\x04'), { maxBytes: 100 });
      cached.invalidate('m');
      expect(await cached.resolve('m')).toEqual({ manifest, loaded: true, keepLoaded: false });
      await real.setState('m', { loaded: false, keep_loaded: true });
      cached.invalidate('m');
      expect(await cached.resolve('m', '1')).toEqual({ manifest, loaded: false, keepLoaded: true });
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
