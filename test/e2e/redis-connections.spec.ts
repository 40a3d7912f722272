import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import { eventually } from '@sconce/testing';
import { AFFINE_TABLE } from '../support/batch-scorer.ts';
import { affineRequest, startStack, type Stack } from '../support/stack.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

// Hosted Redis is often sold by connections, and each one costs Redis memory: a worker opens eight, and no more.

const MAX_WORKER_CONNECTIONS = 8;

let stack: Stack;
let redis: Redis;
beforeAll(async () => {
  stack = await startStack();
  await stack.push('affine');
  redis = new Redis(stack.redis.url, { connectionName: 'spec' });
});
afterAll(() => redis.disconnect());

/** Names of the connections that the worker has open, sorted. Only producers and this spec have others. */
async function workerConnections(): Promise<string[]> {
  const clients = String(await redis.client('LIST'))
    .trim()
    .split('\n');
  const names = clients.map((client) => / name=(\S*)/.exec(client)?.[1] ?? '');
  return names.filter((name) => name !== 'spec' && !name.startsWith('sconce.producer.')).sort();
}

it('a worker that has served requests, jobs and batches has eight connections, and each has a name', async () => {
  const client = new SconceClient({ url: stack.url });
  expect((await stack.fetch('/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]))).status).toBe(200);
  const rows = Buffer.from('id,a,b,c,d\n1,1,2,3,4\n');
  const { id } = await client.batches.score(AFFINE_TABLE, rows, { filename: 'rows.csv' });
  expect((await client.batches.wait(id)).status).toBe('completed');
  const queues = ['sconce.default.online', 'sconce.default.batch', 'sconce.planner', 'sconce.registration'];
  const waiting = [...queues, 'sconce.webhooks'].map((queue) => `bull:${Buffer.from(queue).toString('base64')}`);
  const shared = ['sconce.worker.jobs', 'sconce.worker.online', 'sconce.worker.online-read'];
  await eventually(async () => {
    const connections = await workerConnections();
    expect(connections).toEqual([...waiting, ...shared].sort());
    expect(connections.length).toBeLessThanOrEqual(MAX_WORKER_CONNECTIONS);
  });
});

it('an API that says it has started is ready, however slowly Redis answers', async () => {
  const proxy = await startTcpProxy(stack.redis.port);
  proxy.delayReplies(300);
  const api = await stack.startApi({ SCONCE_REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
  expect((await fetch(`${api.ready.url}/v2/health/ready`)).status).toBe(200);
  proxy.delayReplies(0);
  await api.stop();
  await proxy.stop();
});

it('an API starts without Redis, and says that it is not ready', async () => {
  const proxy = await startTcpProxy(stack.redis.port);
  proxy.cut(true);
  const api = await stack.startApi({ SCONCE_REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
  const isReady = async (): Promise<number> => (await fetch(`${api.ready.url}/v2/health/ready`)).status;
  expect(await isReady()).toBe(503);
  proxy.accept();
  await eventually(async () => expect(await isReady()).toBe(200));
  await api.stop();
  await proxy.stop();
});
