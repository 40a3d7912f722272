import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { atEndOfFile, eventually, startRedisWithSentinels } from '@sconce/testing';
import { affineRequest, startStack, type Stack } from '../support/stack.ts';

// A failover as in production: TLS, users, and a primary that only hangs, so that nothing tells the clients that it is gone.

const file = (name: string): string => fileURLToPath(new URL(`fixtures/tls/${name}`, import.meta.url));

interface Accepted {
  readonly id: string;
  readonly row: number;
}

/** Submits jobs one after the other until it is stopped. Returns the accepted ones and the other statuses. */
function submitJobs(stack: Stack): {
  stop(): Promise<{ readonly accepted: Accepted[]; readonly refused: Set<number> }>;
} {
  let running = true;
  const accepted: Accepted[] = [];
  const refused = new Set<number>();
  const loop = async (): Promise<void> => {
    for (let row = 0; running; row += 1) {
      const body = affineRequest([[row, 0, 0, 0]], { model: 'affine' });
      const answer = await stack.fetch('/v1/jobs', body);
      const { id } = (await answer.json()) as { readonly id: string };
      if (answer.status === 202) accepted.push({ id, row });
      else refused.add(answer.status);
      await delay(20);
    }
  };
  const done = loop();
  return {
    stop: async () => {
      running = false;
      await done;
      return { accepted, refused };
    },
  };
}

it('loses no accepted job in a failover, and answers again after it', async () => {
  const login = { username: 'sconce', password: 'p@ss/word' };
  const tls = { cert: file('server.crt'), key: file('server.key'), ca: file('ca.crt') };
  const sentinels = await startRedisWithSentinels({ tls, login });
  atEndOfFile(() => sentinels.stop());
  const stack = await startStack({
    env: { SCONCE_REDIS_URL: sentinels.url, SCONCE_REDIS_REPLICAS: '1', NODE_EXTRA_CA_CERTS: file('ca.crt') },
  });
  await stack.push('affine');
  const infer = async (): Promise<number> => {
    const answer = await stack.fetch('/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]));
    const outputs = ((await answer.json()) as { outputs?: { data: number[] }[] }).outputs;
    if (answer.status === 200) expect(outputs).toMatchObject([{ data: [3, 5, 7, 9] }]);
    return answer.status;
  };
  const jobs = submitJobs(stack);
  await delay(1_000);
  sentinels.servers[0].kill('SIGSTOP');
  await eventually(async () => expect(await infer()).toBe(200), { timeoutMs: 30_000 });
  sentinels.servers[0].kill('SIGCONT');
  await eventually(async () => expect(await infer()).toBe(200), { timeoutMs: 30_000 });
  const { accepted, refused } = await jobs.stop();

  expect(accepted.length).toBeGreaterThan(10);
  expect([...refused].filter((status) => status !== 503)).toEqual([]);
  for (const { id, row } of accepted) {
    await eventually(
      async () => {
        const job = (await (await stack.fetch(`/v1/jobs/${id}`)).json()) as { readonly status: string };
        expect({ id, status: job.status }).toEqual({ id, status: 'succeeded' });
      },
      { timeoutMs: 30_000 },
    );
    const result = await stack.fetch(`/v1/jobs/${id}/result`);
    expect(await result.json()).toMatchObject({ outputs: [{ data: [2 * row + 1, 1, 1, 1] }] });
  }

  const replica = new Redis(sentinels.servers[1].url);
  atEndOfFile(() => replica.disconnect());
  const connections = String(await replica.call('CLIENT', 'LIST'))
    .split('\n')
    .filter((line) => line.includes('name=sconce.'));
  expect(new Set(connections.map((line) => / user=(\S+)/.exec(line)?.[1]))).toEqual(new Set(['sconce']));
}, 120_000);
