import { mkdtemp, readdir, readFile, rm, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SconceError } from '@sconce/errors';
import { FolderStore, type BlobStore } from '@sconce/storage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ModelRepository, type ModelManifest } from './index.ts';

const MAX = { maxBytes: 1_000_000 };
const onnx = (tail = ''): Uint8Array =>
  Buffer.from(`\x08\x07\x12\x07pytorch:${String.fromCharCode(tail.length)}${tail}`, 'latin1');
const signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }], outputs: [] } as const;
const ready = { status: 'ready', signature } as const;

/** The store with some methods replaced. */
function intercept(store: FolderStore, methods: Readonly<Record<string, (...args: never[]) => unknown>>): BlobStore {
  return new Proxy(store, {
    get: (target, name) => {
      const own: unknown = methods[String(name)] ?? Reflect.get(target, name);
      return typeof own === 'function' ? (own.bind(target) as unknown) : own;
    },
  });
}

describe('ModelRepository', () => {
  let root: string;
  let store: FolderStore;
  let repository: ModelRepository;
  let nowMs: number;
  let damaged: string[];
  const files = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of store.list('')) found.push(key);
    return [...found, ...(await readdir(join(root, '.tmp')))];
  };
  const path = (key: string): string => join(root, key);
  /** A version’s files and no others. */
  const only = async (name: string, version: string): Promise<void> => {
    const { artifact, upload_id: uploadId } = await repository.get(name, version);
    expect(artifact.key).toMatch(new RegExp(`^models/${name}/${version}/${uploadId}/${artifact.sha256}[.](onnx|pt)$`));
    expect((await files()).sort()).toEqual([artifact.key, `models/${name}/${version}/manifest.json`].sort());
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'sconce-models-'));
    store = await FolderStore.open({ root });
    nowMs = Date.parse('2026-01-02T03:04:05.000Z');
    damaged = [];
    repository = new ModelRepository({
      store,
      now: () => nowMs,
      onCorrupt: (error, { name, version }) => damaged.push(`${name}/${version ?? ''}: ${error.message}`),
    });
  });
  afterEach(() => rm(root, { recursive: true }));

  describe('get, list, versions', () => {
    const push = async (name: string, version: string, isReady: boolean): Promise<ModelManifest> => {
      const manifest = await repository.receive(name, version, onnx(), MAX);
      return isReady ? repository.update(name, version, ready) : manifest;
    };

    it('returns the highest ready version, else the highest, by number', async () => {
      await push('m', '2', false);
      await push('m', '10', false);
      expect(await repository.get('m')).toMatchObject({ version: '10' });
      await repository.update('m', '2', ready);
      expect(await repository.get('m')).toMatchObject({ version: '2' });
      await push('m', '9', true);
      await push('m', '11', false);
      expect(await repository.get('m')).toMatchObject({ version: '9' });
      expect((await repository.versions('m')).map(({ version }) => version)).toEqual(['2', '9', '10', '11']);
    });

    it('lists all by name and number, also more than are read at once', async () => {
      for (let version = 1; version <= 20; version++) await push('b', String(version), false);
      await push('a', '5', true);
      await repository.setState('a', { loaded: false });
      const ids = (await repository.list()).map(({ name, version }) => `${name}/${version}`);
      expect(ids).toEqual(['a/5', ...Array.from({ length: 20 }, (_, index) => `b/${index + 1}`)]);
      expect(await repository.versions('c')).toEqual([]);
    });

    it('suggests similar names', async () => {
      await expect(repository.get('m')).rejects.toMatchObject({
        code: 'model_not_found',
        message: expect.stringContaining('no models') as string,
      });
      nowMs += 10_000;
      for (const name of ['resnet50', 'bert', 'iris']) await push(name, '1', false);
      await push('bert', '2', false);
      await expect(repository.get('restnet50')).rejects.toMatchObject({
        code: 'model_not_found',
        message: "Request for unknown model: 'restnet50' is not found: did you mean resnet50?",
        details: { name: 'restnet50', suggestions: ['resnet50'] },
      });
      await expect(repository.get('zzzzzz')).rejects.toThrow('registered are bert, iris, resnet50');
      await expect(repository.get('zzzzzz', '1')).rejects.toThrow('registered are bert, iris, resnet50');
      await expect(repository.get('bert', '3')).rejects.toMatchObject({
        code: 'model_not_found',
        message: "Request for unknown model: 'bert' version 3 is not found: it has 2, 1",
      });
    });

    it.each([
      ['not JSON', '{"schema": 1,', 'not JSON'],
      ['empty', '', 'not JSON'],
      ['of another schema', '{"schema": 9}', 'schema:'],
      ['too large', ' '.repeat(1_100_000), 'too large'],
    ])('passes over a manifest that is %s, and says so to who asks for it', async (_, text, why) => {
      await push('m', '1', false);
      await push('m', '2', true);
      await push('n', '1', true);
      await writeFile(path('models/m/2/manifest.json'), text);
      expect((await repository.list()).map(({ name, version }) => name + version)).toEqual(['m1', 'n1']);
      expect(await repository.get('m')).toMatchObject({ version: '1' });
      expect(damaged).toHaveLength(2);
      expect(damaged[0]).toMatch(/^m\/2: /);
      await expect(repository.get('m', '2')).rejects.toMatchObject({
        code: 'internal',
        message: expect.stringContaining(why) as string,
      });
      await repository.remove('m', '1');
      await expect(repository.get('m')).rejects.toThrow(why);
      await repository.remove('m', '2');
      await expect(repository.get('m')).rejects.toMatchObject({ code: 'model_not_found' });
    });

    it('refuses a manifest under the wrong key, and ignores folders that are not models', async () => {
      await push('m', '1', true);
      await mkdir(path('models/copy/1'), { recursive: true });
      await writeFile(path('models/copy/1/manifest.json'), await readFile(path('models/m/1/manifest.json')));
      await mkdir(path('models/m/v2'));
      await writeFile(path('models/m/v2/manifest.json'), '{}');
      await expect(repository.get('copy', '1')).rejects.toThrow('it belongs to version 1 of model m');
      expect(await repository.list()).toHaveLength(1);
    });

    it('reports that the store is down, and not that there is no model', async () => {
      await push('m', '1', true);
      const failure = new SconceError('storage_unavailable', 'down');
      const down = new ModelRepository({ store: intercept(store, { get: () => Promise.reject(failure) }) });
      await expect(down.list()).rejects.toBe(failure);
      await expect(down.get('m')).rejects.toBe(failure);
      await expect(down.get('m', '1')).rejects.toBe(failure);
    });
  });

  describe('update', () => {
    beforeEach(() => repository.receive('m', '1', onnx(), MAX));

    it('goes through the stages, keeps the rest and stamps the time', async () => {
      nowMs += 1000;
      const proving = await repository.update('m', '1', { status: 'proving', signature });
      expect(proving).toMatchObject({
        status: 'proving',
        signature,
        created_at: '2026-01-02T03:04:05.000Z',
        updated_at: '2026-01-02T03:04:06.000Z',
      });
      await repository.update('m', '1', { status: 'optimising', batch: { axis: 'dynamic', evidence: 'probed' } });
      const done = await repository.update('m', '1', { status: 'ready' });
      expect(await repository.get('m', '1')).toEqual(done);
      expect(done).toMatchObject({
        status: 'ready',
        signature,
        batch: { axis: 'dynamic' },
        artifact: proving.artifact,
      });
    });

    it('loses no parallel update', async () => {
      await Promise.all([
        repository.update('m', '1', { signature }),
        repository.update('m', '1', { pool: 'gpu' }),
        repository.update('m', '1', { config: { max_batch_size: 4 } }),
        repository.update('m', '1', { status: 'proving' }),
      ]);
      expect(await repository.get('m', '1')).toMatchObject({
        signature,
        pool: 'gpu',
        config: { max_batch_size: 4 },
        status: 'proving',
      });
    });

    it('refuses changes that are not allowed, and changes nothing', async () => {
      const refused = (patch: Parameters<ModelRepository['update']>[2]): Promise<void> =>
        expect(repository.update('m', '1', patch)).rejects.toMatchObject({ code: 'internal' });
      await refused({ status: 'receiving' });
      await refused({ status: 'ready' });
      await refused({ status: 'failed' });
      await repository.update('m', '1', ready);
      await refused({ status: 'compiling' });
      await refused({ signature: { ...signature, outputs: signature.inputs } });
      await refused({ signature: undefined });
      expect(await repository.get('m', '1')).toMatchObject(ready);
      await expect(repository.update('m', '2', ready)).rejects.toMatchObject({ code: 'model_not_found' });
    });

    it('cuts a very long error message', async () => {
      await repository.update('m', '1', { status: 'failed', error: { code: 'c', message: 'x'.repeat(3_000_000) } });
      expect((await repository.get('m', '1')).error?.message).toHaveLength(16_384);
    });
  });

  describe('remove', () => {
    it('removes a version, and with the last one everything', async () => {
      const manifest = await repository.receive('m', '1', onnx(), MAX);
      await repository.receive('m', '2', onnx(), MAX);
      await repository.receive('mm', '1', onnx(), MAX);
      await repository.setState('m', { loaded: false });
      await repository.remove('m', '1');
      expect(await repository.state('m')).toMatchObject({ loaded: false });
      expect(await store.localPath(manifest.artifact.key)).toBeUndefined();
      await expect(repository.remove('m', '1')).rejects.toMatchObject({ code: 'model_not_found' });
      await repository.remove('m', '2');
      await only('mm', '1');
      expect(await repository.state('m')).toMatchObject({ loaded: true });
    });
  });
});
