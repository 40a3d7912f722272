import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import { hashSecret, type ApiKey } from '@sconce/keys';
import { fixturePath, temporaryFolder } from '@sconce/testing';
import { SconceError } from '@sconce/errors';
import { sconce } from '../support/cli.ts';
import { json, startStack, type Stack } from '../support/stack.ts';

// An API that requires keys, with the scopes and limits of each key.

const folder = temporaryFolder('keys');
const file = join(folder, 'keys.json');
const entry = (id: string, scopes: ApiKey['scopes'], more: Partial<ApiKey> = {}): ApiKey => ({
  id,
  sha256: hashSecret(`secret-of-${id}`),
  scopes,
  ...more,
});
const SLOW_ROWS = 'steps\n600000\n';

let stack: Stack;
const client = (id: string): SconceClient => new SconceClient({ url: stack.url, apiKey: `secret-of-${id}` });
const as = (id: string, path: string, init: RequestInit = {}): Promise<Response> =>
  stack.fetch(path, { ...init, headers: { ...init.headers, 'x-api-key': `secret-of-${id}` } });
const slowJob = (id: string): Promise<Response> =>
  as(
    id,
    '/v1/jobs',
    json({ model: 'slow', inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [600_000] }] }),
  );

beforeAll(async () => {
  const keys = [
    entry('owner', ['admin']),
    entry('caller', ['infer', 'batch'], { max_backlog: 2 }),
    entry('other', ['infer']),
    entry('watcher', ['batch'], { owner: 'team' }),
    entry('watcher-2', ['batch'], { owner: 'team' }),
  ];
  writeFileSync(file, JSON.stringify({ keys }));
  // Runs take a minute, so that no job ends during the test. At the end the worker must not wait for them.
  stack = await startStack({
    env: { SCONCE_KEYS_FILE: file, SCONCE_SHUTDOWN_GRACE_MS: '500', SCONCE_MAX_EVENT_STREAMS_PER_OWNER: '2' },
  });
  const config = join(folder, 'long-runs.json');
  writeFileSync(config, JSON.stringify({ budget: { run_ms: 120_000 } }));
  const pushed = await sconce(['push', fixturePath('slow'), '--name', 'slow', '--config', config], {
    SCONCE_URL: stack.url,
    SCONCE_API_KEY: 'secret-of-owner',
  });
  expect(pushed.code).toBe(0);
});

it('limits the jobs and batches of a key that have not ended, without counting those of other keys', async () => {
  const first = await slowJob('caller');
  const { id } = (await first.json()) as { id: string };
  const batches = client('caller').batches;
  const batch = await batches.score({ model: 'slow' }, Buffer.from(SLOW_ROWS), { filename: 'rows.csv' });

  const refused = await slowJob('caller');
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '5']);
  expect(await refused.json()).toMatchObject({
    error: { code: 'rate_limited', message: expect.stringMatching(/^Key caller has 2 jobs and batches/) as string },
  });
  const more = batches.score({ model: 'slow' }, Buffer.from(SLOW_ROWS), { filename: 'rows.csv' });
  await expect(more).rejects.toThrow(SconceError);
  const other = await slowJob('other');
  expect(other.status).toBe(202);

  expect((await as('caller', `/v1/jobs/${id}`, { method: 'DELETE' })).status).toBe(200);
  const second = await slowJob('caller');
  expect(second.status).toBe(202);
  await batches.cancel(batch.id);
  await expect.poll(async () => (await slowJob('caller')).status, { timeout: 30_000 }).toBe(202);
});

it('limits the event streams of an owner', async () => {
  const { id } = await client('watcher').batches.score({ model: 'slow' }, Buffer.from(SLOW_ROWS), {
    filename: 'rows.csv',
  });
  const closers: AbortController[] = [];
  const watch = async (key: string): Promise<number> => {
    const closer = new AbortController();
    closers.push(closer);
    return (await as(key, `/v1/batches/${id}/events`, { signal: closer.signal })).status;
  };
  expect([await watch('watcher'), await watch('watcher-2'), await watch('watcher')]).toEqual([200, 200, 429]);
  expect(await watch('owner')).toBe(200);
  closers[0]?.abort();
  await expect.poll(() => watch('watcher-2'), { timeout: 10_000 }).toBe(200);
  for (const closer of closers) closer.abort();
  await client('watcher').batches.cancel(id);
});
