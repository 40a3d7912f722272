import { expect, it, afterEach } from 'vitest';
import { openBlobStore, storageConfigSchema } from '@sconce/storage';
import { failOnLeaks, temporaryFolder, testRedis } from '@sconce/testing';
import { BatchProducer, type NewFile } from '../batches/batch-producer.ts';
import { QueueSystem } from '../testing/queue-system.ts';

// Files that are uploaded with an idempotency key: over a real Redis, without workers.

failOnLeaks({ settleMs: 3_000 });
const system = new QueueSystem(testRedis());
afterEach(() => system.close());

const FILE: NewFile = { filename: 'a.csv', purpose: 'batch' };

async function producer(): Promise<BatchProducer> {
  const store = await openBlobStore(storageConfigSchema.parse({ root: temporaryFolder('uploads') }));
  const models = async (name: string) => ({ name, version: '1', pool: 'default' });
  const made = new BatchProducer({ config: system.config(), store, models, maxFileBytes: 1_000 });
  system.onClose(() => made.close());
  return made;
}

const keyed = (key: string, owner = 'team') => ({ owner, idempotency: { key, owner, scope: 'file' } });
const listed = async (files: BatchProducer): Promise<string[]> =>
  (await files.files({ limit: 100, order: 'asc' })).files.map(({ id }) => id);

it('a key makes one file, however often and at once its upload comes', async () => {
  const files = await producer();
  const upload = () => files.createFile(Buffer.from('a\n1\n'), () => FILE, keyed('once'));
  const made = await Promise.all([upload(), upload(), upload()]);
  made.push(await upload());
  expect(new Set(made.map(({ id }) => id)).size).toBe(1);
  expect(await listed(files)).toEqual([made[0]?.id]);
});

it('a key is tied to the bytes and the description, and belongs to its owner', async () => {
  const files = await producer();
  const upload = (text: string, more: Partial<NewFile> = {}, owner?: string) =>
    files.createFile(Buffer.from(text), () => ({ ...FILE, ...more }), keyed('tied', owner));
  const { id } = await upload('a\n1\n');
  const conflict = { code: 'idempotency_conflict', details: { param: 'Idempotency-Key' } };
  await expect(upload('a\n2\n')).rejects.toMatchObject(conflict);
  await expect(upload('a\n1\n', { filename: 'b.csv' })).rejects.toMatchObject(conflict);
  await expect(upload('a\n1\n', { expiresAfterSeconds: 5_000 })).rejects.toMatchObject(conflict);
  expect(await listed(files)).toEqual([id]);
  expect((await upload('a\n2\n', {}, 'other')).id).not.toBe(id);
});

it('a key does not make a removed file again', async () => {
  const files = await producer();
  const upload = () => files.createFile(Buffer.from('a\n1\n'), () => FILE, keyed('removed'));
  const { id } = await upload();
  await files.deleteFile(id);
  await expect(upload()).rejects.toMatchObject({
    code: 'idempotency_conflict',
    message: expect.stringContaining(id) as string,
  });
  expect(await listed(files)).toEqual([]);
});

it('an upload that fails leaves its key free', async () => {
  const files = await producer();
  await expect(files.createFile(Buffer.alloc(2_000), () => FILE, keyed('free'))).rejects.toMatchObject({
    code: 'payload_too_large',
  });
  const { bytes } = await files.createFile(Buffer.from('a\n1\n'), () => FILE, keyed('free'));
  expect(bytes).toBe(4);
});
