import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { openBlobStore, storageConfigSchema } from '@sconce/storage';
import { temporaryFolder } from '@sconce/testing';
import { DATASET_LIMITS, type DatasetLimits } from '../dataset-limits.ts';
import { DatasetSources } from '../dataset-sources.ts';
import { tableSpec, validateTask } from '../testing/table-batch.ts';
import type { TaskContext } from './task-context.ts';
import { validateDataset } from './validate-dataset.ts';

// Compressed datasets are unpacked into the store, within bounds.

const MIB = 1024 ** 2;
const folder = temporaryFolder('unpack');
const store = await openBlobStore(storageConfigSchema.parse({ root: join(folder, 'store') }));

async function validated(limits: Partial<DatasetLimits>, over: Partial<TaskContext> = {}): Promise<unknown> {
  const context: TaskContext = {
    store,
    sources: new DatasetSources(store, { roots: [], s3: {} }),
    limits: { ...DATASET_LIMITS, ...limits },
    signal: new AbortController().signal,
    run: () => Promise.reject(new Error('nothing runs')),
    ...over,
  };
  return validateDataset(validateTask('batch', tableSpec('rows', { inputName: 'rows.csv.gz' })), context);
}

// 70 MiB of zeros have 70 KiB: a thousandth.
const bomb = gzipSync(Buffer.concat([Buffer.from('x\n'), Buffer.alloc(70 * MIB, '0\n')]));
await store.put('rows', bomb, { maxBytes: MIB });

describe('a compressed dataset', () => {
  it.each<[string, Partial<DatasetLimits>, RegExp]>([
    ['its ratio', {}, /unpacks to more than 67108864 bytes.*200 times its size \(SCONCE_MAX_UNPACK_RATIO\)/],
    ['its bytes', { maxUnpackedBytes: MIB }, /unpacks to more than 1048576 bytes.*SCONCE_MAX_UNPACKED_BYTES/],
  ])('is refused by %s, and leaves nothing in the store', async (_what, limits, message) => {
    expect(await validated(limits)).toMatchObject({
      errors: [{ code: 'invalid_dataset', message: expect.stringMatching(message) as string, param: 'input' }],
    });
    expect(await store.stat('batches/batch/input')).toBeUndefined();
  });

  it('is unpacked within the limits', async () => {
    expect(await validated({ maxUnpackRatio: 2_000 })).toMatchObject({ dataset: { plan: { format: 'csv' } } });
    expect(await store.stat('batches/batch/input')).toMatchObject({ sizeBytes: 70 * MIB + 2 });
  });

  it('passes on that the store is full', async () => {
    const full = { ...store, put: () => Promise.reject(new SconceError('storage_full', 'the disk is full')) };
    await expect(validated({}, { store: full as never })).rejects.toMatchObject({ code: 'storage_full' });
  });
});
