import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderStore } from '@sconce/storage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManifestStore } from './manifest-store.ts';
import { manifestKey, stateKey } from './model-layout.ts';
import type { ModelManifest } from './model-manifest.ts';
import { ModelStates } from './model-state.ts';

// Releases that are in use at the same time read each other's files (ADR 19). The fixture holds files that commit df9e65a wrote.

interface Fixture {
  readonly manifests: Readonly<Record<string, ModelManifest>>;
  readonly state: object;
}

const fixture = JSON.parse(
  await readFile(new URL('../fixtures/stored-by-df9e65a.json', import.meta.url), 'utf8'),
) as Fixture;
const manifests = Object.entries(fixture.manifests);

let root: string;
let store: FolderStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sconce-models-'));
  store = await FolderStore.open({ root });
});
afterEach(() => rm(root, { recursive: true }));

const put = (key: string, value: object): Promise<unknown> =>
  store.put(key, Buffer.from(JSON.stringify(value)), { maxBytes: 1_000_000 });

describe('files that the release before wrote', () => {
  it.each(manifests)('are read without a loss: the manifest of a version (%s)', async (_, manifest) => {
    await put(manifestKey(manifest.name, manifest.version), manifest);
    expect(await new ManifestStore(store).read(manifest)).toStrictEqual(manifest);
  });

  it.each(manifests)('are written again with the same fields in the same order (%s)', async (_, manifest) => {
    const manifestStore = new ManifestStore(store);
    await manifestStore.write(manifest);
    const written: unknown = JSON.parse(
      await readFile(join(root, manifestKey(manifest.name, manifest.version)), 'utf8'),
    );
    expect(JSON.stringify(written)).toBe(JSON.stringify(manifest));
  });

  it('are read: the state of a model', async () => {
    await put(stateKey('digits'), fixture.state);
    const states = new ModelStates(store, (error) => {
      throw error;
    });
    expect({ schema: 1, ...(await states.get('digits')) }).toStrictEqual(fixture.state);
  });
});
