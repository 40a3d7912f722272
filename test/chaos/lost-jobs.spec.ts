import { Redis } from 'ioredis';
import { beforeAll, expect, it } from 'vitest';
import { atEndOfFile, eventually } from '@sconce/testing';
import { json, startStack, type Stack } from '../support/stack.ts';

// Redis loses the queue jobs of accepted jobs, as a failover or an eviction does. The jobs end all the same.

const QUEUE = 'bull:sconce.default.batch';
const WATCHED = 'sconce:watched-jobs';

let stack: Stack;
let redis: Redis;
beforeAll(async () => {
  stack = await startStack({ env: { SCONCE_LOST_JOB_SECONDS: '1', SCONCE_THREADS: '1' } });
  redis = new Redis(stack.redis.url);
  atEndOfFile(() => redis.disconnect());
  await stack.push('slow', { config: { budget: { run_ms: 120_000 } } });
});

interface Job {
  readonly id: string;
  readonly status: string;
  readonly error?: { readonly code: string };
}
const read = async (id: string): Promise<Job> => (await stack.fetch(`/v1/jobs/${id}`)).json() as Promise<Job>;

async function submit(steps: number): Promise<string> {
  const inputs = [{ name: 'steps', datatype: 'INT64', shape: [1], data: [steps] }];
  const submitted = await stack.fetch('/v1/jobs', json({ model: 'slow', inputs }));
  expect(submitted.status).toBe(202);
  return ((await submitted.json()) as Job).id;
}

const reaches = (id: string, status: string, timeoutMs = 30_000): Promise<unknown> =>
  eventually(async () => expect((await read(id)).status).toBe(status), { timeoutMs });

/** Removes all that BullMQ knows of a job. */
async function loseQueueJob(id: string): Promise<void> {
  const before = await redis.exists(`${QUEUE}:${id}`);
  await redis
    .multi()
    .del(`${QUEUE}:${id}`, `${QUEUE}:${id}:lock`)
    .lrem(`${QUEUE}:active`, 0, id)
    .lrem(`${QUEUE}:wait`, 0, id)
    .exec();
  expect(before).toBe(1);
}

it(
  'jobs without a queue job end: with a result when a worker still runs them, else with worker_lost',
  { timeout: 90_000 },
  async () => {
    const finishes = await submit(20_000);
    await reaches(finishes, 'running');
    await loseQueueJob(finishes);
    await redis.zadd(WATCHED, 1, finishes);
    await reaches(finishes, 'succeeded');

    const running = await submit(400_000);
    await reaches(running, 'running');
    await loseQueueJob(running);
    stack.workers[0]?.child.kill('SIGKILL');
    await stack.workers[0]?.exited;
    const waiting = await submit(1);
    await loseQueueJob(waiting);
    const kept = await submit(1);
    // The looks would come some seconds later.
    await redis.zadd(WATCHED, 1, running, 1, waiting, 1, kept);
    await stack.startWorker();
    for (const id of [running, waiting]) {
      await reaches(id, 'failed');
      expect((await read(id)).error?.code).toBe('worker_lost');
    }
    await reaches(kept, 'succeeded');
    expect(await redis.zcard(WATCHED)).toBe(0);
  },
);
