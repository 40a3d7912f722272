import { beforeAll, describe, expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import type { SpanRecord } from '@sconce/trace-view';
import { eventually } from '@sconce/testing';
import { affineRequest, json, startStack, type Stack } from '../support/stack.ts';

// Processes die and come back; who asked gets an answer all the same.

const slow = (steps: number): RequestInit =>
  json({ inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [steps] }] });

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ workers: 1 });
  await Promise.all([stack.push('affine'), stack.push('slow')]);
});

async function running(lane = 'online'): Promise<void> {
  await eventually(
    async () => {
      const metrics = await (await fetch(`${stack.workers.at(-1)?.ready.metricsUrl}/metrics`)).text();
      expect(metrics).toMatch(new RegExp(`sconce_jobs_in_flight\\{[^}]*${lane}[^}]*\\} [1-9]`));
    },
    { timeoutMs: 20_000 },
  );
}

describe('a worker killed with -9 in the middle of a job', () => {
  it('has its requests and jobs run again by another', async () => {
    const victim = stack.workers[0];
    // Some three seconds of native work each, so that the kill falls into it.
    const online = stack.fetch('/v2/models/slow/infer', slow(30_000));
    const submitted = await stack.fetch(
      '/v1/jobs',
      json({ model: 'slow', inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [30_000] }] }),
    );
    const { id } = (await submitted.json()) as { id: string };
    await running();
    victim?.child.kill('SIGKILL');
    await stack.startWorker();
    const answer = await online;
    expect([answer.status, await answer.json()]).toMatchObject([200, { outputs: [{ data: [1] }] }]);
    await expect
      .poll(async () => (await stack.fetch(`/v1/jobs/${id}`)).json(), { timeout: 60_000 })
      .toMatchObject({ status: 'succeeded' });
  });
});

describe('Redis restarted in the middle of a run', () => {
  it('loses nothing that was accepted; API and workers go on', async () => {
    const body = json({ model: 'slow', inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [8_000] }] });
    const jobs = await Promise.all(
      Array.from(
        { length: 6 },
        async () => ((await (await stack.fetch('/v1/jobs', body)).json()) as { id: string }).id,
      ),
    );
    const online = stack.fetch('/v2/models/slow/infer', slow(20_000));
    await running();
    await stack.redis.restart();
    expect((await online).status).toBe(200);
    for (const id of jobs) {
      await expect
        .poll(async () => (await stack.fetch(`/v1/jobs/${id}`)).json(), { timeout: 60_000 })
        .toMatchObject({ status: 'succeeded' });
    }
    const after = await stack.fetch('/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]));
    expect(await after.json()).toMatchObject({ outputs: [{ data: [3, 5, 7, 9] }] });
  });
});

describe('SIGTERM', () => {
  it('lets a worker finish what it has and exit 0', async () => {
    const online = stack.fetch('/v2/models/slow/infer', slow(20_000));
    await running();
    const stopped = stack.workers.at(-1)?.stop();
    const replacement = stack.startWorker();
    expect((await online).status).toBe(200);
    expect(await stopped).toBe(0);
    await replacement;
  });

  it('hands back what outlasts the grace period, and still exits 0 in time', async () => {
    await stack.workers.at(-1)?.stop();
    const hurried = await stack.startWorker({ SCONCE_SHUTDOWN_GRACE_MS: '500' });
    const online = stack.fetch('/v2/models/slow/infer', slow(60_000));
    await running();
    const asked = Date.now();
    expect(await hurried.stop()).toBe(0);
    expect(Date.now() - asked).toBeLessThan(5_000);
    await stack.startWorker();
    const answer = await online;
    expect([answer.status, await answer.json()]).toMatchObject([200, { outputs: [{ data: [1] }] }]);
  });

  it('stops chunks between two runs, hands them back, and another worker has them at once', async () => {
    await Promise.all(stack.workers.splice(0).map((worker) => worker.stop()));
    stack.collector.clear();
    const hurried = await stack.startWorker({ SCONCE_SHUTDOWN_GRACE_MS: '6000' });
    const client = new SconceClient({ url: stack.url });
    // Rows of a second or so each, some four to a chunk: runs end within half of the grace period, chunks do not.
    const rows = `steps\n${'12000\n'.repeat(32)}`;
    const { id } = await client.batches.score({ model: 'slow' }, Buffer.from(rows), { filename: 'rows.csv' });
    await running('batch');
    expect(await hurried.stop()).toBe(0);
    stack.workers.splice(0);
    const freed = Date.now();
    await stack.startWorker();
    await running('batch');
    // The locks of what a dead worker held run for eight seconds.
    expect(Date.now() - freed).toBeLessThan(6_000);
    const batch = await client.batches.wait(id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 32, completed: 32, failed: 0 } });
    const isChunk = (span: SpanRecord): boolean => span.name === 'sconce.chunk';
    const handedBack = (span: SpanRecord): boolean => isChunk(span) && span.status === 'error';
    const spans = await stack.collector.waitFor((all) => all.some(handedBack));
    // As if they had never been taken.
    expect(spans.filter(isChunk).filter((span) => span.attributes['sconce.delivery'] !== 1)).toEqual([]);
  });

  it('ends an idle worker at once while Redis is away', async () => {
    const idle = await startStack();
    idle.redis.kill('SIGKILL');
    const asked = Date.now();
    expect(await idle.workers[0]?.stop()).toBe(0);
    expect(Date.now() - asked).toBeLessThan(10_000);
  });

  it('has the API say that it is not ready, and answer as before, until load balancers have noticed', async () => {
    const { api, fetch: request } = await startStack({ workers: 0, env: { SCONCE_DRAIN_DELAY_MS: '2000' } });
    const isReady = async (): Promise<boolean> => (await fetch(`${api.ready.metricsUrl}/health/ready`)).ok;
    const before = await request('/v2');
    expect([await isReady(), before.status, before.headers.get('connection')]).toEqual([true, 200, 'keep-alive']);
    const stopped = api.stop();
    await eventually(async () => {
      expect(await isReady()).toBe(false);
    });
    const during = await request('/v2');
    expect([during.status, during.headers.get('connection')]).toEqual([200, 'close']);
    expect(await stopped).toBe(0);
    await expect(request('/v2')).rejects.toThrow();
  });

  it('lets the API answer what it has taken and exit 0', async () => {
    const online = stack.fetch('/v2/models/slow/infer', slow(20_000));
    await running();
    const stopped = stack.api.stop();
    expect((await online).status).toBe(200);
    expect(await stopped).toBe(0);
  });
});
