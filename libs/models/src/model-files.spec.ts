import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { FolderStore } from '@sconce/storage';
import { temporaryFolder } from '@sconce/testing';
import { ModelFiles, type FormFile } from './model-files.ts';
import type { ModelManifest } from './model-manifest.ts';
import { ModelRepository } from './model-repository.ts';

const fileOf = (name: string, text: string): FormFile => ({
  name,
  sha256: createHash('sha256').update(text).digest('hex'),
  body: () => Buffer.from(text),
});

describe('ModelFiles', () => {
  let store: FolderStore;
  let files: ModelFiles;
  let manifest: ModelManifest;
  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of store.list('')) found.push(key);
    return found;
  };

  beforeEach(async () => {
    store = await FolderStore.open({ root: temporaryFolder() });
    files = new ModelFiles(store);
    const repository = new ModelRepository({ store });
    manifest = await repository.receive('m', '1', Buffer.from('PK\x03\x04'), { maxBytes: 100 });
  });

  it('keeps files in the folder of the artifact, named by their content', async () => {
    const stored = await files.add(manifest, '.onnx', Buffer.from('graph'), { maxBytes: 100 });
    expect(stored.key.slice(0, stored.key.lastIndexOf('/'))).toBe(
      manifest.artifact.key.slice(0, manifest.artifact.key.lastIndexOf('/')),
    );
    expect(stored).toMatchObject({ size_bytes: 5, sha256: fileOf('', 'graph').sha256 });
    expect(await readFile(await files.path(manifest, stored), 'utf8')).toBe('graph');
    await store.delete(stored.key);
    await expect(files.path(manifest, stored)).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('keeps one saved form per kind of machine: the first one stored', async () => {
    expect(await files.form(manifest, 'x64')).toBeUndefined();
    const form = await files.addForm(manifest, 'x64', [fileOf('weights.bin', 'w'), fileOf('model.onnx', 'm')]);
    expect(form.files.map(({ name, size_bytes: size }) => [name, size])).toEqual([
      ['weights.bin', 1],
      ['model.onnx', 1],
    ]);
    expect(await files.form(manifest, 'x64')).toEqual(form);
    expect(await files.addForm(manifest, 'x64', [fileOf('model.onnx', 'other')])).toEqual(form);
    expect((await keys()).filter((key) => key.includes('/forms/'))).toHaveLength(3);
    const [weights] = form.files;
    expect(await readFile(await files.path(manifest, weights!), 'utf8')).toBe('w');

    expect(await files.form(manifest, 'arm64')).toBeUndefined();
  });

  it('refuses a file that changed meanwhile, and treats a damaged record as missing', async () => {
    const changed = { ...fileOf('model.onnx', 'm'), body: () => Buffer.from('n') };
    await expect(files.addForm(manifest, 'x64', [changed])).rejects.toMatchObject({ code: 'internal' });
    expect(await files.form(manifest, 'x64')).toBeUndefined();
    const { key } = manifest.artifact;
    await store.put(`${key.slice(0, key.lastIndexOf('/'))}/forms/x64/form.json`, Buffer.from('{'), { maxBytes: 9 });
    expect(await files.form(manifest, 'x64')).toBeUndefined();
  });
});
