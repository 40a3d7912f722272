import { MemoryByteSource } from '@sconce/storage';
import { expect, it } from 'vitest';
import { npyHeader } from './npy/npy-header.ts';
import { openDataset } from './open-dataset.ts';

it('refuses a dataset that says that it has more rows than a dataset may have, before any is planned', async () => {
  const source = (rows: number): MemoryByteSource => new MemoryByteSource(npyHeader('FP32', [rows, 0]));
  await expect(openDataset(source(100_000_000_001), 'npy')).rejects.toMatchObject({
    code: 'invalid_dataset',
    message:
      'The dataset says that it has 100000000001 rows; at most 100000000000 are supported. Split it, or write it again.',
  });
  await using reader = await openDataset(source(100_000_000_000), 'npy');
  expect(reader.rows).toBe(100_000_000_000);
});
