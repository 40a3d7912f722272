import { Redis } from 'ioredis';
import { afterAll, afterEach, expect, it } from 'vitest';
import { openBlobStore, storageConfigSchema } from '@sconce/storage';
import { failOnLeaks, temporaryFolder, testRedis } from '@sconce/testing';
import { BatchProducer } from '../batches/batch-producer.ts';
import { QueueSystem, request, tensor } from '../testing/queue-system.ts';
import { Keys } from '../redis/keys.ts';

// How many jobs and batches of a key, and of an owner, may be unfinished: over a real Redis, without workers.

failOnLeaks({ settleMs: 3_000 });
const { url, prefix } = testRedis();
const system = new QueueSystem({ url, prefix });
afterEach(() => system.close());
const redis = new Redis(url);
afterAll(() => redis.quit());

const REFUSED = {
  code: 'rate_limited',
  message: expect.stringContaining('Owner team has 2 jobs and batches') as string,
};

it('bounds the jobs and batches of an owner together, whatever key submits them', async () => {
  const config = system.config({ maxUnfinishedPerOwner: 2 });
  const producer = system.producer(config);
  const store = await openBlobStore(storageConfigSchema.parse({ root: temporaryFolder('submitter') }));
  const models = async (name: string) => ({ name, version: '1', pool: 'default' });
  const batches = new BatchProducer({ config, store, models, maxFileBytes: 1_000 });
  system.onClose(() => batches.close());
  const file = await batches.createFile(Buffer.from('a\n1\n'), () => ({ filename: 'a.csv', purpose: 'batch' }));
  const job = (owner?: string, key?: string): Promise<{ id: string }> => {
    const submitter = key === undefined ? undefined : { id: key, maxUnfinished: 10 };
    return producer.submit({ ...request([tensor([1])]), owner }, { lane: 'batch', submitter });
  };
  const batch = (owner?: string): Promise<{ id: string }> =>
    batches.submit({ model: 'm', input_file_id: file.id }, { owner });

  const first = await job('team', 'key-1');
  await batch('team');
  await expect(job('team', 'key-2')).rejects.toMatchObject(REFUSED);
  await expect(batch('team')).rejects.toMatchObject(REFUSED);
  // A submission that the owner's limit refused does not count with its key.
  expect(await redis.exists(new Keys(config.keyPrefix).unfinishedOf('key-2'))).toBe(0);
  await Promise.all([job('other'), job(), job(), job()]);

  await producer.cancel(first.id);
  await job('team');
  await expect(job('team')).rejects.toMatchObject(REFUSED);
});
