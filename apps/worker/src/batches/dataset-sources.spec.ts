import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { DatasetLocation } from '@sconce/contracts';
import { openBlobStore, storageConfigSchema } from '@sconce/storage';
import { temporaryFolder } from '@sconce/testing';
import { DatasetSources } from './dataset-sources.ts';

const folder = temporaryFolder('dataset-sources');
const root = join(folder, 'root');
const other = join(folder, 'other');
for (const own of [root, other]) mkdirSync(own);
writeFileSync(join(root, 'rows.csv'), 'x\n1\n');
writeFileSync(join(other, 'secret.csv'), 'x\n1\n');
symlinkSync(join(other, 'secret.csv'), join(root, 'link.csv'));
const store = await openBlobStore(storageConfigSchema.parse({ root: join(folder, 'store') }));
const sources = new DatasetSources(store, { roots: [root], s3: {} });
const at = (path: string): DatasetLocation => ({ kind: 'url', url: pathToFileURL(path).href });

describe('a dataset in a folder that is allowed', () => {
  it('is pinned and read in place', async () => {
    const pinned = await sources.pin(at(join(root, 'rows.csv')));
    expect(pinned.sizeBytes).toBe(4);
    await using source = await sources.open(pinned);
    expect(Buffer.from(await source.read(0, 4)).toString()).toBe('x\n1\n');
  });

  it.each([
    ['a file that does not exist', join(root, 'none.csv'), /does not exist/],
    ['a file elsewhere', join(other, 'secret.csv'), /is not below a folder/],
    ['a link that leads elsewhere', join(root, 'link.csv'), /is not below a folder/],
  ])('is no %s', async (_, path, message) => {
    await expect(sources.pin(at(path))).rejects.toMatchObject({
      code: 'invalid_dataset',
      message: expect.stringMatching(message) as string,
    });
  });

  it('is waited for while the folder is away', async () => {
    const location = at(join(root, 'rows.csv'));
    const pinned = await sources.pin(location);
    renameSync(root, `${root}-away`);
    const opening = sources.open(pinned);
    await expect(opening).rejects.toMatchObject({ code: 'storage_unavailable' });
    renameSync(`${root}-away`, root);
    await using source = await sources.open(pinned);
    expect(source.size).toBe(4);
  });
});
