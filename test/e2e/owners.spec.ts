import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import { hashSecret, type ApiKey } from '@sconce/keys';
import { eventually, temporaryFolder } from '@sconce/testing';
import { affineRequest, json, startStack, type Stack } from '../support/stack.ts';

// Jobs, files and batches belong to the owner of a key. The routes come from the OpenAPI document, so a new route is covered or named here.

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
}

type Documented = Operation & { readonly method: string; readonly path: string };

/** Groups whose resources belong to an owner. */
const OWNED = ['Jobs', 'Files', 'Batches'] as const;
/** Groups whose resources belong to nobody: every key that has the scope may use them. */
const SHARED = ['Open Inference Protocol', 'Models', 'Traces', 'Operations'];

type Owned = (typeof OWNED)[number];

const file = join(temporaryFolder('owners'), 'keys.json');
const entry = (id: string, more: Partial<ApiKey> = {}): ApiKey => ({
  id,
  sha256: hashSecret(`secret-of-${id}`),
  scopes: ['infer', 'batch'],
  ...more,
});
const CSV = 'a,b,c,d\n1,2,3,4\n5,6,7,8\n';
const BATCH = { model: 'affine', inputs: { x: ['a', 'b', 'c', 'd'] } } as const;

let stack: Stack;
let operations: readonly Documented[] = [];
/** Finished resources of the owner `alice`. */
let own: Record<Owned, string>;

const client = (id: string): SconceClient => new SconceClient({ url: stack.url, apiKey: `secret-of-${id}` });
const as = (id: string, path: string, init: RequestInit = {}): Promise<Response> =>
  stack.fetch(path, { ...init, headers: { ...init.headers, 'x-api-key': `secret-of-${id}` } });
const call = async (id: string, { method, path }: Documented, resource: string): Promise<[number, string]> => {
  const response = await as(id, path.replace('{id}', resource), { method: method.toUpperCase() });
  return [response.status, await response.text()];
};
const groupOf = ({ tags }: Operation): Owned => tags[0] as Owned;
const isOwned = ({ tags }: Operation): boolean => (OWNED as readonly string[]).includes(tags[0] ?? '');
const withId = (): readonly Documented[] => operations.filter((route) => isOwned(route) && route.path.includes('{id}'));
const lists = (): readonly Documented[] =>
  operations.filter((route) => isOwned(route) && !route.path.includes('{id}') && route.method === 'get');
const idsIn = async (id: string, path: string): Promise<string[]> => {
  const { data } = (await (await as(id, path)).json()) as { data: { id: string }[] };
  return data.map((item) => item.id);
};
const submitJob = async (id: string, headers: Record<string, string> = {}): Promise<{ id: string }> => {
  const body = { model: 'affine', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }] };
  const response = await as(id, '/v1/jobs', json(body, headers));
  expect(response.status).toBe(202);
  return (await response.json()) as { id: string };
};

beforeAll(async () => {
  stack = await startStack();
  await stack.push('affine');
  const keys = [
    entry('alice', { owner: 'team-a' }),
    entry('alice-2', { owner: 'team-a' }),
    entry('bob'),
    entry('small', { budget: { output_bytes: 15 } }),
    entry('admin', { scopes: ['admin'] }),
  ];
  writeFileSync(file, JSON.stringify({ keys }));
  const api = await stack.startApi({ SCONCE_KEYS_FILE: file });
  const open = stack;
  stack = { ...open, url: api.ready.url ?? '', fetch: (path, init) => fetch(`${api.ready.url}${path}`, init) };
  const document = (await (await stack.fetch('/docs-json')).json()) as {
    paths: Record<string, Record<string, Operation>>;
  };
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, method, path })),
  );
  const alice = client('alice');
  const job = await submitJob('alice');
  const batch = await alice.batches.score(BATCH, Buffer.from(CSV), { filename: 'rows.csv' });
  await eventually(async () => expect((await alice.jobs.get(job.id)).status).toBe('succeeded'), { timeoutMs: 30_000 });
  await eventually(async () => expect((await alice.batches.get(batch.id)).status).toBe('completed'), {
    timeoutMs: 30_000,
  });
  own = { Jobs: job.id, Batches: batch.id, Files: (await alice.batches.get(batch.id)).input_file_id ?? '' };
});

it('every route belongs to a group of which it is known whether its resources have an owner', () => {
  const unknown = operations.filter(({ tags }) => ![...OWNED, ...SHARED].includes(tags[0] ?? ''));
  expect(unknown.map(({ operationId }) => operationId)).toEqual([]);
  const parameters = operations.filter(isOwned).flatMap(({ path }) => path.match(/\{\w+\}/g) ?? []);
  expect(new Set(parameters)).toEqual(new Set(['{id}']));
  for (const group of OWNED) expect(withId().map(groupOf)).toContain(group);
});

it('answers 404 to another owner, on every route, with the words for an unknown id', async () => {
  for (const route of withId()) {
    const id = own[groupOf(route)];
    const [status, body] = await call('bob', route, id);
    const unknown = await call('bob', route, 'nothing');
    expect([route.operationId, status, body.replaceAll(id, 'nothing')]).toEqual([route.operationId, ...unknown]);
    expect([route.operationId, status]).toEqual([route.operationId, 404]);
  }
});

it('lists only the resources of the owner, and all of them for an admin', async () => {
  const mine = await submitJob('bob');
  const uploaded = await client('bob').files.create(Buffer.from(CSV), { filename: 'bob.csv' });
  const batch = await client('bob').batches.create({ ...BATCH, input_file_id: uploaded.id });
  const byBob: Record<Owned, string> = { Jobs: mine.id, Files: uploaded.id, Batches: batch.id };
  for (const { path, ...route } of lists()) {
    const [alices, bobs] = [own[groupOf(route)], byBob[groupOf(route)]];
    const [seenByBob, seenByAlice] = [await idsIn('bob', path), await idsIn('alice', path)];
    expect(seenByBob).toContain(bobs);
    expect(seenByAlice).toEqual(await idsIn('alice-2', path));
    expect(seenByAlice).toContain(alices);
    expect(seenByBob.filter((id) => seenByAlice.includes(id))).toEqual([]);
    expect(await idsIn('admin', path)).toEqual(expect.arrayContaining([...seenByBob, ...seenByAlice]));
    // The id of another owner's resource is no place in a list either.
    expect((await as('bob', `${path}?after=${alices}`)).status).toBe(404);
  }
  expect(lists().map(groupOf)).toEqual(expect.arrayContaining(['Jobs', 'Files', 'Batches']));
});

it('a batch may not read the file of another owner, and its results are not for others', async () => {
  const foreign = await as('bob', '/v1/batches', json({ ...BATCH, input_file_id: own.Files }));
  expect(foreign.status).toBe(404);
  expect(await foreign.json()).toMatchObject({ error: { code: 'file_not_found', param: 'input_file_id' } });
  const { output_file_id: output } = await client('alice').batches.get(own.Batches);
  expect((await as('bob', `/v1/files/${output}/content`)).status).toBe(404);
  expect((await as('alice', `/v1/files/${output}/content`)).status).toBe(200);
});

describe('an idempotency key', () => {
  it.each([
    ['jobs', (id: string) => submitJob(id, { 'idempotency-key': 'one' })],
    [
      'batches',
      async (id: string) => {
        const path = '/v1/batches?model=affine&inputs={"x":["a","b","c","d"]}';
        const init = { method: 'POST', headers: { 'content-type': 'text/csv', 'idempotency-key': 'two' }, body: CSV };
        return (await (await as(id, path, init)).json()) as { id: string };
      },
    ],
  ])('of %s is the owner’s', async (_, submit) => {
    const first = await submit('alice');
    expect((await submit('alice-2')).id).toBe(first.id);
    expect((await submit('bob')).id).not.toBe(first.id);
  });

  it('of a request that waits is the owner’s, also for another request', async () => {
    const infer = async (id: string, value: number): Promise<number> =>
      (
        await as(id, '/v2/models/affine/infer', {
          ...affineRequest([[value, 0, 0, 0]]),
          headers: { 'content-type': 'application/json', 'idempotency-key': 'three' },
        })
      ).status;
    expect(await infer('alice', 1)).toBe(200);
    expect(await infer('alice', 2)).toBe(422);
    expect(await infer('bob', 2)).toBe(200);
  });
});

it('an admin reads everything, and so do other keys of the owner', async () => {
  for (const route of withId().filter(({ method }) => method === 'get')) {
    for (const id of ['admin', 'alice-2', 'alice']) {
      const [status] = await call(id, route, own[groupOf(route)]);
      expect([route.operationId, id, status]).toEqual([route.operationId, id, 200]);
    }
  }
});

it('what was made without keys is open to every key of the scope', async () => {
  const open = await stack.startApi();
  const body = { model: 'affine', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }] };
  const made = (await (await fetch(`${open.ready.url}/v1/jobs`, json(body))).json()) as { id: string };
  for (const id of ['alice', 'bob', 'admin']) expect((await as(id, `/v1/jobs/${made.id}`)).status).toBe(200);
  // Callers without keys use everything.
  expect((await fetch(`${open.ready.url}/v1/jobs/${own.Jobs}`)).status).toBe(200);
});

it('outputs over the budget of the key are refused, also those of a job', async () => {
  const setting = 'budget.output_bytes of the API key';
  const refused = await as('small', '/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]));
  expect([refused.status, await refused.json()]).toMatchObject([422, { error: expect.stringContaining(setting) }]);
  const job = await submitJob('small');
  await eventually(async () => {
    const { status, error } = await client('small').jobs.get(job.id);
    expect([status, error]).toMatchObject(['failed', { code: 'over_budget' }]);
  });
  expect((await as('bob', '/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]))).status).toBe(200);
});
