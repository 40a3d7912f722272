import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixturePath } from '@sconce/testing';
import { affineRequest, json, startStack, type Stack } from '../support/stack.ts';

// Asynchronous work and registration over HTTP, against the built system.

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
  await Promise.all([stack.push('affine'), stack.push('slow')]);
});

interface Job {
  readonly id: string;
  readonly status: string;
}

const ROW = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }] };
const slowJob = (steps: number): RequestInit =>
  json({ model: 'slow', inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [steps] }] });

async function ended(id: string): Promise<Job & Record<string, unknown>> {
  let job: Job & Record<string, unknown> = { id, status: 'queued' };
  await expect
    .poll(
      async () => {
        job = (await (await stack.fetch(`/v1/jobs/${id}`)).json()) as typeof job;
        return job.status;
      },
      { timeout: 20_000 },
    )
    .not.toMatch(/queued|running/);
  return job;
}

describe('jobs', () => {
  it('are accepted and run, and their result has the outputs that were asked for', async () => {
    const submitted = await stack.fetch('/v1/jobs', json({ model: 'affine', id: 'mine', ...ROW }));
    const job = (await submitted.json()) as Job;
    expect([submitted.status, submitted.headers.get('location')]).toEqual([202, `/v1/jobs/${job.id}`]);
    expect(job).toMatchObject({ object: 'job', model: 'affine', version: '1', created_at: expect.any(Number) });
    expect(await ended(job.id)).toMatchObject({
      status: 'succeeded',
      started_at: expect.any(Number),
      finished_at: expect.any(Number),
      timing: { queue_ms: expect.any(Number), batch_ms: expect.any(Number), run_ms: expect.any(Number), batch_rows: 1 },
    });
    const result = await stack.fetch(`/v1/jobs/${job.id}/result`);
    expect(await result.json()).toEqual({
      model_name: 'affine',
      model_version: '1',
      id: 'mine',
      outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 4], data: [3, 5, 7, 9] }],
    });
  });

  it('are listed, newest first, page by page, and by status and time', async () => {
    const submitted: Job[] = [];
    for (let at = 0; at < 3; at += 1) {
      submitted.push((await (await stack.fetch('/v1/jobs', json({ model: 'affine', ...ROW }))).json()) as Job);
    }
    const ids = submitted.map(({ id }) => id).reverse();
    for (const id of ids) await ended(id);
    const list = async (query: string): Promise<{ data: Job[]; last_id: string; has_more: boolean }> =>
      (await (await stack.fetch(`/v1/jobs?model=affine&${query}`)).json()) as never;
    const first = await list('status=succeeded&limit=2');
    expect(first.data.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect(first).toMatchObject({ object: 'list', last_id: ids[1], has_more: true });
    const rest = await list(`limit=1&after=${first.last_id}`);
    expect(rest.data.map(({ id }) => id)).toEqual(ids.slice(2));
    expect((await list('status=failed')).data).toEqual([]);
    expect((await list('created_from=99999999999')).data).toEqual([]);
    expect((await list('created_before=99999999999')).data.length).toBeGreaterThanOrEqual(3);
  });

  it.each([
    ['status=done', 400, 'status'],
    ['limit=0', 400, 'limit'],
    ['created_from=today', 400, 'created_from'],
    ['state=failed', 400, 'state'],
    ['after=nothing', 404, 'after'],
  ])('a list with %s is refused', async (query, status, param) => {
    const refused = await stack.fetch(`/v1/jobs?${query}`);
    expect([refused.status, await refused.json()]).toMatchObject([status, { error: { param } }]);
  });

  it('are watched until they end', async () => {
    const { id } = (await (await stack.fetch('/v1/jobs', slowJob(20_000))).json()) as Job;
    const answer = await stack.fetch(`/v1/jobs/${id}/events`);
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    let text = '';
    let isCancelled = false;
    // The stream ends by itself.
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString('utf8');
      if (isCancelled) continue;
      isCancelled = true;
      await stack.fetch(`/v1/jobs/${id}`, { method: 'DELETE' });
    }
    const events = text.split('\n\n').filter((event) => event.startsWith('event: '));
    const seen = events.map((event) => JSON.parse(/^event: job\ndata: (.+)$/.exec(event)?.[1] ?? 'null') as Job);
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.every((job) => job.id === id)).toBe(true);
    expect(seen.at(-1)?.status).toBe('cancelled');
    expect(seen.slice(0, -1).every(({ status }) => status === 'queued' || status === 'running')).toBe(true);
    expect((await stack.fetch('/v1/jobs/nothing/events')).status).toBe(404);
  });

  it('accept and return binary tensors', async () => {
    const head = Buffer.from(
      JSON.stringify({
        model: 'affine',
        parameters: { binary_data_output: true },
        inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 4], parameters: { binary_data_size: 32 } }],
      }),
    );
    const values = new Float32Array([0, 1, 2, 3, 4, 5, 6, 7]);
    const submitted = await stack.fetch('/v1/jobs', {
      method: 'POST',
      headers: { 'inference-header-content-length': String(head.byteLength) },
      body: Buffer.concat([head, Buffer.from(values.buffer)]),
    });
    const { id } = (await submitted.json()) as Job;
    await ended(id);
    const result = await stack.fetch(`/v1/jobs/${id}/result`);
    const bytes = Buffer.from(await result.arrayBuffer());
    const tail = bytes.subarray(Number(result.headers.get('inference-header-content-length')));
    expect([...new Float32Array(tail.buffer.slice(tail.byteOffset, tail.byteOffset + 32))]).toEqual(
      [...values].map((value) => 2 * value + 1),
    );
  });

  it('are also created by infer with Prefer: respond-async', async () => {
    const init = affineRequest([[1, 2, 3, 4]]);
    const response = await stack.fetch('/v2/models/affine/infer', {
      ...init,
      headers: { ...(init.headers as Record<string, string>), prefer: 'respond-async, wait=10' },
    });
    expect([response.status, response.headers.get('preference-applied')]).toEqual([202, 'respond-async']);
    const { id } = (await response.json()) as Job;
    expect(response.headers.get('location')).toBe(`/v1/jobs/${id}`);
    expect(await ended(id)).toMatchObject({ status: 'succeeded' });
  });

  it('return the error of the failed request', async () => {
    await stack.push('lookup');
    const body = { model: 'lookup', inputs: [{ name: 'index', datatype: 'INT64', shape: [1, 1], data: [77] }] };
    const { id } = (await (await stack.fetch('/v1/jobs', json(body))).json()) as Job;
    expect(await ended(id)).toMatchObject({
      status: 'failed',
      error: { code: 'invalid_input', message: expect.stringContaining('77') },
    });
    const result = await stack.fetch(`/v1/jobs/${id}/result`);
    expect([result.status, await result.json()]).toMatchObject([422, { error: { code: 'invalid_input' } }]);
  });

  it('answer that they are not finished, and can be cancelled while they wait or run', async () => {
    const submit = async (): Promise<string> =>
      ((await (await stack.fetch('/v1/jobs', slowJob(8_000))).json()) as Job).id;
    const ids = [await submit(), await submit(), await submit(), await submit()];
    const early = await stack.fetch(`/v1/jobs/${ids[3]}/result`);
    expect([early.status, early.headers.get('retry-after'), await early.json()]).toMatchObject([
      409,
      '1',
      { error: { code: 'job_not_finished' } },
    ]);
    for (const id of ids) {
      const cancelled = await stack.fetch(`/v1/jobs/${id}`, { method: 'DELETE' });
      expect(await cancelled.json()).toMatchObject({ id, status: 'cancelled' });
    }
    const result = await stack.fetch(`/v1/jobs/${ids[3]}/result`);
    expect([result.status, await result.json()]).toMatchObject([409, { error: { code: 'job_cancelled' } }]);
  });
});

describe('Idempotency-Key', () => {
  const keyed = (init: RequestInit, key: string): RequestInit => ({
    ...init,
    headers: { ...(init.headers as Record<string, string>), 'idempotency-key': key },
  });

  it('creates one job for repeated submissions, and refuses a different request', async () => {
    const send = (body: object): Promise<Response> => stack.fetch('/v1/jobs', keyed(json(body), 'order-1'));
    const responses = await Promise.all(Array.from({ length: 5 }, () => send({ model: 'affine', ...ROW })));
    const ids = await Promise.all(responses.map(async (response) => ((await response.json()) as Job).id));
    expect([new Set(ids).size, new Set(responses.map((response) => response.status))]).toEqual([1, new Set([202])]);
    const other = await send({ model: 'affine', id: 'other', ...ROW });
    expect([other.status, await other.json()]).toMatchObject([422, { error: { code: 'idempotency_conflict' } }]);
  });

  it('treats another version as a different request', async () => {
    const send = (path: string): Promise<Response> =>
      stack.fetch(`/v2/models/affine${path}/infer`, keyed(affineRequest([[1, 2, 3, 4]]), 'versions'));
    expect((await send('')).status).toBe(200);
    expect((await send('/versions/1')).status).toBe(422);
    expect((await send('')).status).toBe(200);
  });

  it('runs a repeated infer once and gives all of them the same answer', async () => {
    await stack.push('affine', { name: 'counted' });
    const send = async (): Promise<string> =>
      (await stack.fetch('/v2/models/counted/infer', keyed(affineRequest([[1, 2, 3, 4]]), 'once'))).text();
    const answers = await Promise.all([send(), send(), send()]);
    answers.push(await send());
    expect(new Set(answers).size).toBe(1);
    expect(JSON.parse(answers[0] ?? '')).toMatchObject({ outputs: [{ data: [3, 5, 7, 9] }] });
    await expect
      .poll(async () => (await stack.fetch('/v2/models/counted/stats')).json(), { timeout: 20_000 })
      .toMatchObject({ model_stats: [{ inference_count: 1, execution_count: 1 }] });
  });
});

describe('registration', () => {
  it('accepts only one of two pushes of the same version', async () => {
    const body = readFileSync(fixturePath('affine'));
    const push = (): Promise<Response> => stack.fetch('/v1/models/twice/versions/1', { method: 'PUT', body });
    const statuses = (await Promise.all([push(), push(), push()])).map((response) => response.status).sort();
    expect(statuses).toEqual([202, 409, 409]);
    expect((await push()).status).toBe(409);
  });

  it('numbers versions, serves the newest, and removes them', async () => {
    await stack.push('affine', { name: 'versioned' });
    const body = readFileSync(fixturePath('row-mixing'));
    const pushed = await stack.fetch('/v1/models/versioned/versions', { method: 'POST', body });
    expect(await pushed.json()).toMatchObject({ version: '2' });
    await expect
      .poll(async () => (await stack.fetch('/v1/models/versioned/versions/2')).json(), { timeout: 20_000 })
      .toMatchObject({ status: 'ready', batch: { axis: 'none', evidence: expect.stringMatching(/differs/) } });
    const infer = async (path: string): Promise<unknown> =>
      (await stack.fetch(`/v2/models/versioned${path}/infer`, affineRequest([[1, 2, 3, 4]]))).json();
    await expect.poll(() => infer('')).toMatchObject({ model_version: '2', outputs: [{ data: [1, 1, 1, 1] }] });
    expect(await infer('/versions/1')).toMatchObject({ model_version: '1', outputs: [{ data: [3, 5, 7, 9] }] });
    expect((await stack.fetch('/v1/models/versioned/versions/2?force=true', { method: 'DELETE' })).status).toBe(204);
    expect((await stack.fetch('/v1/models/versioned/versions/2')).status).toBe(404);
    expect(await infer('')).toMatchObject({ model_version: '1' });
  });

  it('never merges rows that influence each other', async () => {
    await stack.push('row-mixing');
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, n) =>
        (await stack.fetch('/v2/models/row-mixing/infer', affineRequest([[n, 0, 0, 0]]))).json(),
      ),
    );
    // Softmax over a batch of one row is 1 everywhere. Merged with another row it would not be 1.
    for (const answer of answers) expect(answer).toMatchObject({ outputs: [{ data: [1, 1, 1, 1] }] });
  });
});
