import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ModelRepository } from '@sconce/models';
import { FolderStore } from '@sconce/storage';
import { fixturePath, temporaryFolder } from '@sconce/testing';
import { affineRequest, startStack } from '../support/stack.ts';

it('finishes the registration of a version whose API died after it stored the version', async () => {
  const root = join(temporaryFolder('recovery'), 'blobs');
  const repository = new ModelRepository({ store: await FolderStore.open({ root }) });
  // The version is stored, but its registration was never queued.
  const { status } = await repository.receive('orphan', '1', readFileSync(fixturePath('affine')), { maxBytes: 10_000 });
  expect(status).toBe('compiling');
  const stack = await startStack({ env: { SCONCE_DATA: root } });
  await expect
    .poll(async () => (await stack.fetch('/v1/models/orphan/versions/1')).json(), { timeout: 20_000 })
    .toMatchObject({ status: 'ready' });
  const answer = await stack.fetch('/v2/models/orphan/infer', affineRequest([[1, 2, 3, 4]]));
  expect(await answer.json()).toMatchObject({ outputs: [{ data: [3, 5, 7, 9] }] });
});
