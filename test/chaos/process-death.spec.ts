import { beforeAll, describe, expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import type { SpanRecord } from '@sconce/trace-view';
import { eventually } from '@sconce/testing';
import { affineRequest, json, startStack, type Stack } from '../support/stack.ts';

// Processes die and are started again. Every caller still gets its answer.

const slow = (steps: number): RequestInit =>
  json({ inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [steps] }] });

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ workers: 1 });
  // Runs of seconds.
  const config = { budget: { run_ms: 120_000 } };
  await Promise.all([stack.push('affine'), stack.push('slow', { config })]);
});

/** Waits until the newest worker has a queue job of the lane in flight. */
async function waitUntilInFlight(lane = 'online'): Promise<void> {
  await eventually(
    async () => {
      const metrics = await (await fetch(`${stack.workers.at(-1)?.ready.metricsUrl}/metrics`)).text();
      expect(metrics).toMatch(new RegExp(`sconce_jobs_in_flight\\{[^}]*${lane}[^}]*\\} [1-9]`));
    },
    { timeoutMs: 20_000 },
  );
}

describe('a worker killed with SIGKILL in the middle of a job', () => {
  it('loses nothing: another worker runs its requests and jobs again', async () => {
    const victim = stack.workers[0];
    // About three seconds of native work each, so that the kill comes during the run.
    const online = stack.fetch('/v2/models/slow/infer', slow(30_000));
    const submitted = await stack.fetch(
      '/v1/jobs',
      json({ model: 'slow', inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [30_000] }] }),
    );
    const { id } = (await submitted.json()) as { id: string };
    await waitUntilInFlight();
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
  it('loses no accepted request or job; API and workers continue', async () => {
    const body = json({ model: 'slow', inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [8_000] }] });
    const jobs = await Promise.all(
      Array.from(
        { length: 6 },
        async () => ((await (await stack.fetch('/v1/jobs', body)).json()) as { id: string }).id,
      ),
    );
    const online = stack.fetch('/v2/models/slow/infer', slow(20_000));
    await waitUntilInFlight();
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
  it('lets a worker finish its work in flight and exit with 0', async () => {
    const online = stack.fetch('/v2/models/slow/infer', slow(20_000));
    await waitUntilInFlight();
    const stopped = stack.workers.at(-1)?.stop();
    const replacement = stack.startWorker();
    expect((await online).status).toBe(200);
    expect(await stopped).toBe(0);
    await replacement;
  });

  it('lets a worker hand back jobs that outlast the grace period, and exit with 0 in time', async () => {
    await stack.workers.at(-1)?.stop();
    const hurried = await stack.startWorker({ SCONCE_SHUTDOWN_GRACE_MS: '500' });
    const online = stack.fetch('/v2/models/slow/infer', slow(60_000));
    await waitUntilInFlight();
    const asked = Date.now();
    expect(await hurried.stop()).toBe(0);
    expect(Date.now() - asked).toBeLessThan(5_000);
    await stack.startWorker();
    const answer = await online;
    expect([answer.status, await answer.json()]).toMatchObject([200, { outputs: [{ data: [1] }] }]);
  });

  it('lets a worker stop chunks between two runs and hand them back; another worker gets them at once', async () => {
    await Promise.all(stack.workers.splice(0).map((worker) => worker.stop()));
    stack.collector.clear();
    const hurried = await stack.startWorker({ SCONCE_SHUTDOWN_GRACE_MS: '6000' });
    const client = new SconceClient({ url: stack.url });
    // Rows of the chunks in flight take about a second, a chunk has about four: runs end within half of the grace period, chunks do not.
    // The other rows are as long, so that chunks have as many of them, and quick.
    const rows = `steps\n${'12000\n'.repeat(16)}${'00001\n'.repeat(16)}`;
    const { id } = await client.batches.score({ model: 'slow' }, Buffer.from(rows), { filename: 'rows.csv' });
    await waitUntilInFlight('batch');
    expect(await hurried.stop()).toBe(0);
    stack.workers.splice(0);
    const freed = Date.now();
    await stack.startWorker();
    await waitUntilInFlight('batch');
    // Jobs of a dead worker would stay locked for eight seconds.
    expect(Date.now() - freed).toBeLessThan(6_000);
    const batch = await client.batches.wait(id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 32, completed: 32, failed: 0 } });
    const isChunk = (span: SpanRecord): boolean => span.name === 'sconce.chunk';
    const handedBack = (span: SpanRecord): boolean => isChunk(span) && span.status === 'error';
    const spans = await stack.collector.waitFor((all) => all.some(handedBack));
    // The delivery is not counted: every chunk is at its first delivery.
    expect(spans.filter(isChunk).filter((span) => span.attributes['sconce.delivery'] !== 1)).toEqual([]);
  });

  it('ends an idle worker at once while Redis is away', async () => {
    const idle = await startStack();
    idle.redis.kill('SIGKILL');
    const asked = Date.now();
    expect(await idle.workers[0]?.stop()).toBe(0);
    expect(Date.now() - asked).toBeLessThan(10_000);
  });

  it('lets the API report that it is not ready, and still answer until load balancers have noticed', async () => {
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

  it('lets the API answer its requests in flight and exit with 0', async () => {
    const online = stack.fetch('/v2/models/slow/infer', slow(20_000));
    await waitUntilInFlight();
    const stopped = stack.api.stop();
    expect((await online).status).toBe(200);
    expect(await stopped).toBe(0);
  });
});
