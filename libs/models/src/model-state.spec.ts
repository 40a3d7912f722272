import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderStore } from '@sconce/storage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ModelDirectory, ModelRepository, requireRunnable } from './index.ts';

const MAX = { maxBytes: 1_000_000 };
const signature = { inputs: [], outputs: [] } as const;

let root: string;
let store: FolderStore;
let repository: ModelRepository;
let damaged: string[];
const stateFile = (): string => join(root, 'models/m/state.json');

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sconce-models-'));
  store = await FolderStore.open({ root });
  damaged = [];
  repository = new ModelRepository({
    store,
    onCorrupt: (error, { name }) => damaged.push(`${name}: ${error.message}`),
  });
});
afterEach(() => rm(root, { recursive: true }));

async function push(version: string, status: 'ready' | 'compiling' | 'failed' = 'ready', name = 'm'): Promise<void> {
  await repository.receive(name, version, Buffer.from('PK\x03\x04'), MAX);
  if (status === 'ready') await repository.update(name, version, { status, signature });
  if (status === 'failed')
    await repository.update(name, version, { status, error: { code: 'c', message: 'it broke' } });
}

const serves = async (): Promise<string> => (await repository.get('m')).version;

describe('state of a model', () => {
  it('begins loaded, latest, not kept', async () => {
    await push('1');
    const initial = { loaded: true, default_version: 'latest', keep_loaded: false };
    expect(await repository.state('m')).toEqual(initial);
    expect(await repository.state('unheard-of')).toEqual(initial);
  });

  it('keeps each setting separately, also for other processes', async () => {
    await push('1');
    await repository.setState('m', { loaded: false });
    await repository.setState('m', { keep_loaded: true });
    await repository.setState('m', { default_version: '1' });
    const state = { loaded: false, default_version: '1', keep_loaded: true };
    expect(await new ModelRepository({ store }).state('m')).toEqual(state);
    expect(await repository.setState('m', { loaded: true })).toEqual({ ...state, loaded: true });
    await expect(repository.setState('n', { loaded: false })).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('keeps versions in quarantine, each with its reason, until the model is loaded again', async () => {
    await push('1');
    await push('2');
    await repository.quarantine('m', '1', 'it hung');
    await repository.quarantine('m', '2', 'it hung too');
    await repository.setState('m', { keep_loaded: true });
    expect(await new ModelRepository({ store }).state('m')).toMatchObject({
      loaded: true,
      quarantined: { 1: 'it hung', 2: 'it hung too' },
    });
    const directory = new ModelDirectory({ repository });
    const [first] = await Promise.all([directory.resolve('m', '1'), directory.resolve('m')]);
    expect(() => requireRunnable(first)).toThrow(/version 1 of model m is in quarantine: it hung; .*models\/m\/load/);
    await repository.setState('m', { loaded: true });
    expect(await repository.state('m')).not.toHaveProperty('quarantined');
    directory.invalidate('m');
    expect(requireRunnable(await directory.resolve('m', '1')).version).toBe('1');
    await expect(repository.quarantine('m', '3', '')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('drops the quarantine of a removed version, and of the first of very many versions', async () => {
    const versions = Array.from({ length: 17 }, (_, index) => String(index + 1));
    for (const version of versions) {
      await push(version);
      await repository.quarantine('m', version, 'x'.repeat(100));
    }
    expect(Object.keys((await repository.state('m')).quarantined ?? {})).toEqual(versions.slice(1));
    await repository.remove('m', '5');
    expect((await repository.state('m')).quarantined).not.toHaveProperty('5');
    for (const version of versions.filter((other) => other !== '5' && other !== '1'))
      await repository.remove('m', version);
    expect(await repository.state('m')).not.toHaveProperty('quarantined');
  });

  it('loses no parallel change', async () => {
    await push('1');
    await Promise.all([
      repository.setState('m', { loaded: false }),
      repository.setState('m', { keep_loaded: true }),
      repository.setState('m', { default_version: '1' }),
    ]);
    expect(await repository.state('m')).toEqual({ loaded: false, default_version: '1', keep_loaded: true });
  });

  it('reads an older file that has only `loaded`', async () => {
    await push('1');
    await writeFile(stateFile(), '{"schema":1,"loaded":false}\n');
    expect(await repository.state('m')).toEqual({ loaded: false, default_version: 'latest', keep_loaded: false });
    expect(damaged).toEqual([]);
    await repository.setState('m', { keep_loaded: true });
    expect(JSON.parse(await readFile(stateFile(), 'utf8'))).toEqual({
      schema: 1,
      loaded: false,
      default_version: 'latest',
      keep_loaded: true,
    });
  });

  it('reads a file of a newer release, and ignores unknown fields', async () => {
    await push('1');
    await writeFile(stateFile(), '{"schema":1,"loaded":false,"later":{"x":1}}\n');
    expect(await repository.state('m')).toEqual({ loaded: false, default_version: 'latest', keep_loaded: false });
    expect(damaged).toEqual([]);
  });

  it.each([
    '',
    '{}',
    '{"schema": 1, "loaded": false, "default_version": "newest"}',
    `{"schema": 1, "loaded": false${' '.repeat(5000)}}`,
  ])('takes a damaged file (%j) for none, says so, and writes it anew', async (text) => {
    await push('1');
    await writeFile(stateFile(), text);
    expect(await repository.state('m')).toMatchObject({ loaded: true, default_version: 'latest' });
    expect(damaged).toEqual([expect.stringMatching(/^m: .*damaged/)]);
    await repository.setState('m', { loaded: false });
    expect(await repository.state('m')).toMatchObject({ loaded: false });
  });
});

describe('the default version', () => {
  it('is what a request without a version gets, until it is the latest again', async () => {
    await push('1');
    await push('2');
    expect(await serves()).toBe('2');
    await repository.setState('m', { default_version: '1' });
    await push('3');
    expect(await serves()).toBe('1');
    expect((await repository.get('m', '3')).version).toBe('3');
    await repository.setState('m', { default_version: 'latest' });
    expect(await serves()).toBe('3');
  });

  it.each([
    ['4', 'model_not_found', /'m' version 4 is not found: it has 3, 2, 1/],
    ['2', 'model_not_ready', /version 2 of model m is compiling, and only/],
    ['3', 'model_not_ready', /version 3 of model m is failed \(it broke\), and only/],
    ['01', 'invalid_request', /"01"/],
    ['newest', 'invalid_request', /"newest"/],
  ])('can not be %s', async (version, code, message) => {
    await push('1');
    await push('2', 'compiling');
    await push('3', 'failed');
    await expect(repository.setState('m', { default_version: version, loaded: false })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
    // Both or neither.
    expect(await repository.state('m')).toMatchObject({ default_version: 'latest', loaded: true });
  });

  it.each([
    ['is gone', undefined, 'model_not_found', /version 2 of model m is gone, and it is the default/],
    ['failed', 'failed', 'model_not_ready', /version 2 of model m is failed \(it broke\), and it is the default/],
    ['is not ready', 'compiling', 'model_not_ready', /version 2 of model m is compiling, and it is the default/],
  ] as const)('that %s is an error, not another version', async (_, status, code, message) => {
    await push('1');
    await push('2');
    await repository.setState('m', { default_version: '2' });
    await store.deletePrefix('models/m/2/');
    if (status !== undefined) await push('2', status);
    await expect(repository.get('m')).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
    await repository.setState('m', { default_version: 'latest' });
    expect(await serves()).toBe('1');
  });

  it('is removed only by force, and then is the latest', async () => {
    await push('1');
    await push('2');
    await repository.setState('m', { default_version: '1', keep_loaded: true });
    await expect(repository.remove('m', '1')).rejects.toMatchObject({ code: 'version_in_use' });
    expect(await serves()).toBe('1');
    await repository.remove('m', '1', { force: true });
    expect(await repository.state('m')).toEqual({ loaded: true, default_version: 'latest', keep_loaded: true });
    expect(await serves()).toBe('2');
    await repository.remove('m', '2');
    await expect(repository.get('m')).rejects.toMatchObject({ code: 'model_not_found' });
    const left = [];
    for await (const { key } of store.list('')) left.push(key);
    expect(left).toEqual([]);
  });
});

describe('disk usage', () => {
  it('adds up each version’s files, and nothing else', async () => {
    await push('1');
    await push('2', 'compiling');
    await push('1', 'ready', 'other');
    await repository.setState('m', { loaded: false });
    const form = new Uint8Array(1000);
    const before = (await repository.diskUsage('m')).get('m')?.versions.get('2') ?? 0;
    await store.put('models/m/2/forms/avx2.ort', form, { maxBytes: 1000 });
    const all = await repository.diskUsage();
    expect([...all.keys()].sort()).toEqual(['m', 'other']);
    const usage = (await repository.diskUsage('m')).get('m');
    expect(usage).toEqual(all.get('m'));
    expect([...(usage?.versions.keys() ?? [])]).toEqual(['1', '2']);
    expect(usage?.versions.get('2')).toBe(before + 1000);
    expect(usage?.bytes).toBe((usage?.versions.get('1') ?? 0) + before + 1000);
    expect((await repository.diskUsage('none')).size).toBe(0);
  });
});
