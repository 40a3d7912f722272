import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { ModelRepository } from '@sconce/models';
import { FolderStore } from '@sconce/storage';
import { fixturePath, temporaryFolder } from '@sconce/testing';
import { affineRequest, startStack } from '../support/stack.ts';

it('finishes the registration of a version that is not queued: at the start, and after Redis was away', async () => {
  const root = join(temporaryFolder('recovery'), 'blobs');
  const repository = new ModelRepository({ store: await FolderStore.open({ root }) });
  // The version is stored, but its registration was never queued.
  const { status } = await repository.receive('orphan', '1', readFileSync(fixturePath('affine')), { maxBytes: 10_000 });
  expect(status).toBe('compiling');
  const stack = await startStack({ env: { SCONCE_DATA: root } });
  const statusOf = async (name: string): Promise<unknown> =>
    (await (await stack.fetch(`/v1/models/${name}/versions/1`)).json()) as unknown;
  await expect.poll(() => statusOf('orphan'), { timeout: 20_000 }).toMatchObject({ status: 'ready' });
  const answer = await stack.fetch('/v2/models/orphan/infer', affineRequest([[1, 2, 3, 4]]));
  expect(await answer.json()).toMatchObject({ outputs: [{ data: [3, 5, 7, 9] }] });

  // As after a failover that lost the queue job.
  await repository.receive('lost', '1', readFileSync(fixturePath('affine')), { maxBytes: 10_000 });
  const redis = new Redis(stack.redis.url);
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  redis.disconnect();
  await expect.poll(() => statusOf('lost'), { timeout: 30_000 }).toMatchObject({ status: 'ready' });
}, 60_000);
