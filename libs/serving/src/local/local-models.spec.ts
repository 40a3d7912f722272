import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { InferencePool, runtimeConfigSchema } from '@sconce/runtime';
import { failOnLeaks, fixturePath, temporaryFolder } from '@sconce/testing';
import { createLogger } from '@sconce/telemetry';
import { KeptModels } from '../kept/kept-models.ts';
import { findModelFiles } from '../kept/model-entry.ts';
import { LocalModels } from './local-models.ts';

// Registration processes have the lowest priority: on a busy machine they get little time.
vi.setConfig({ testTimeout: 120_000 });

const runtime = runtimeConfigSchema.parse({ threads: 1 });
const pool = new InferencePool(runtime);
afterAll(() => pool.close());
failOnLeaks();

const limits = { memoryBytes: 2 * 1024 ** 3, timeoutMs: 110_000 };
const lines: string[] = [];
const logger = createLogger({
  service: 'spec',
  level: 'warn',
  destination: { write: (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg) },
});
let folder: string;
let file: string;
beforeEach(() => {
  lines.length = 0;
  folder = temporaryFolder('kept');
  file = join(folder, 'net.onnx');
  copyFileSync(fixturePath('affine'), file);
});

/** Starts as a process would, and says whether the file was compiled. */
async function start(
  given: { release?: string; cache?: string } = {},
): Promise<{ models: LocalModels; compiled: boolean }> {
  const kept = new KeptModels({ release: '1', limits, logger, ...given });
  const models = new LocalModels({ kept, pool, runtime, budget: {}, limits, logger });
  const [entry] = findModelFiles([file]);
  if (entry === undefined) throw new Error('no entry');
  const { isNew } = await models.add(entry);
  return { models, compiled: isNew };
}

const keptFolder = (cache = join(folder, '.sconce-serve')): string => {
  const found = readdirSync(cache).filter((name) => !name.startsWith('.'));
  expect(found).toHaveLength(1);
  return join(cache, found[0] ?? '');
};
/** All files below a folder. */
const filesIn = (root: string): string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

describe('a model file', () => {
  it('is compiled once, and served with what was proved', async () => {
    const { models, compiled } = await start();
    expect(compiled).toBe(true);
    const { manifest } = await models.directory.resolve('net');
    expect(manifest).toMatchObject({ name: 'net', version: '1', status: 'ready', batch: { axis: 'dynamic' } });
    expect(await models.repository.list()).toHaveLength(1);
    expect((await models.repository.diskUsage()).get('net')?.bytes).toBeGreaterThan(0);
    expect(await start()).toMatchObject({ compiled: false });
    await expect(models.directory.resolve('other')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('is compiled again when its content, its config or the release changes, and beside it the stale result is removed', async () => {
    await start();
    const first = keptFolder();
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ max_batch_size: 8 }));
    expect((await start()).compiled).toBe(true);
    expect(keptFolder()).not.toBe(first);
    copyFileSync(fixturePath('simple'), file);
    rmSync(join(folder, 'config.json'));
    const { models } = await start();
    expect((await models.directory.resolve('net')).manifest.signature?.inputs).toHaveLength(2);
    expect((await start({ release: '2' })).compiled).toBe(true);
    keptFolder();
    expect(lines).toEqual([]);
  });

  it('is kept in the cache folder if there is one', async () => {
    const cache = join(folder, 'cache');
    await start({ cache });
    expect(existsSync(join(folder, '.sconce-serve'))).toBe(false);
    expect(await start({ cache })).toMatchObject({ compiled: false });
    keptFolder(cache);
  });
});

describe('a kept compilation that is damaged is made again', () => {
  const change = (path: string): void => {
    chmodSync(path, 0o600);
    appendFileSync(path, 'x');
  };
  const manifestOf = (root: string): string => join(root, 'models/net/1/manifest.json');
  const formOf = (root: string): string[] =>
    filesIn(root).filter((path) => path.includes('/forms/') && !path.endsWith('.json'));

  it.each<[what: string, damage: (root: string) => void]>([
    [
      'its manifest is cut off',
      (root) => (chmodSync(manifestOf(root), 0o600), writeFileSync(manifestOf(root), '{"schema":')),
    ],
    ['its manifest is gone', (root) => rmSync(manifestOf(root))],
    ['its saved form has changed', (root) => formOf(root).forEach(change)],
    ['its saved form is gone', (root) => formOf(root).forEach((path) => rmSync(path))],
    [
      'its check call has other outputs',
      (root) => {
        const [path = ''] = filesIn(root).filter((found) => found.endsWith('.safetensors'));
        const bytes = readFileSync(path);
        chmodSync(path, 0o600);
        writeFileSync(path, bytes.fill(0x42, bytes.byteLength - 4));
      },
    ],
    [
      'its check call is cut off',
      (root) => {
        const [path = ''] = filesIn(root).filter((found) => found.endsWith('.safetensors'));
        chmodSync(path, 0o600);
        truncateSync(path, 20);
      },
    ],
  ])('when %s', async (_, damage) => {
    await start();
    const root = keptFolder();
    damage(root);
    // Another process: what it has verified it does not verify again.
    const other = new InferencePool(runtime);
    try {
      const kept = new KeptModels({ release: '1', limits, logger });
      const models = new LocalModels({ kept, pool: other, runtime, budget: {}, limits, logger });
      const [entry] = findModelFiles([file]);
      expect((await models.add(entry as never)).isNew).toBe(true);
      expect(lines).toEqual(['a kept compilation is damaged: it is made again']);
    } finally {
      await other.close();
    }
    expect(await start()).toMatchObject({ compiled: false });
  });
});

describe('a model file that cannot be served', () => {
  it.each<[what: string, arrange: () => void, error: object]>([
    [
      'no model',
      () => writeFileSync(file, 'hello'),
      { code: 'model_invalid', message: /net\.onnx: the file .*not a model/ },
    ],
    [
      'a damaged model',
      () => writeFileSync(file, Buffer.from([8, 8, 58, 4, 1, 2, 3])),
      { code: 'model_invalid', message: /net\.onnx: / },
    ],
    [
      'a config that is not JSON',
      () => writeFileSync(join(folder, 'config.json'), '{'),
      { code: 'invalid_request', message: /net\.onnx: its config .*config\.json is not JSON/ },
    ],
    [
      'a config that does not fit',
      () => writeFileSync(join(folder, 'config.json'), '{"max_batch_sise": 1}'),
      { code: 'invalid_request', message: /net\.onnx: the model’s config is not valid/ },
    ],
  ])('because it is or has %s fails with its path, and leaves nothing', async (_, arrange, error) => {
    arrange();
    const { code, message } = error as { code: string; message: RegExp };
    await expect(start()).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(existsSync(join(folder, '.sconce-serve')) ? readdirSync(join(folder, '.sconce-serve')) : []).toEqual([]);
  });

  it('because its compilation cannot be kept names --cache', async () => {
    const cache = join(folder, 'taken');
    writeFileSync(cache, '');
    await expect(start({ cache })).rejects.toMatchObject({
      ...{
        code: 'storage_unavailable',
        message: expect.stringMatching(/cannot be kept in .*taken .*--cache/) as string,
      },
    });
  });
});
