import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { freeLoopbackPort, startRedisServer } from '@sconce/redis-server';
import { atEndOfFile } from '@sconce/testing';
import { DIGITS_TABLE, digitRows, scoreAll } from '../support/rows.ts';
import { affineRequest, startStack } from '../support/stack.ts';

// Redis as in production: TLS with a private certificate authority, and a user with only the rights in docs/security.md.

const file = (name: string): string => fileURLToPath(new URL(`fixtures/tls/${name}`, import.meta.url));
const DIGITS = fileURLToPath(new URL('../../examples/digits/digits.onnx', import.meta.url));
/** The Redis user in docs/security.md. */
const RIGHTS = '~bull:* ~sconce:* &* +@all -@dangerous +info +client|unblock'.split(' ');
const ROWS = 2_000;

it('works over TLS as a user with only the rights that it needs', async () => {
  const server = await startRedisServer({});
  atEndOfFile(() => server.stop());
  const admin = new Redis(server.url);
  atEndOfFile(async () => {
    await admin.quit();
  });
  const port = await freeLoopbackPort();
  const settings = { 'tls-cert-file': 'server.crt', 'tls-key-file': 'server.key', 'tls-ca-cert-file': 'ca.crt' };
  const files = Object.entries(settings).flatMap(([name, own]) => [name, file(own)]);
  await admin.call('CONFIG', 'SET', 'tls-port', port, 'tls-auth-clients', 'no', ...files);
  await admin.call('ACL', 'SETUSER', 'sconce', 'on', '>p@ss/word', ...RIGHTS);

  const stack = await startStack({
    env: {
      SCONCE_REDIS_URL: `rediss://sconce:${encodeURIComponent('p@ss/word')}@localhost:${port}`,
      NODE_EXTRA_CA_CERTS: file('ca.crt'),
    },
  });
  await Promise.all([stack.push('affine'), stack.pushFile(DIGITS, 'digits')]);
  const answer = await stack.fetch('/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]));
  expect(await answer.json()).toMatchObject({ outputs: [{ data: [3, 5, 7, 9] }] });
  const batch = await scoreAll(stack.url, DIGITS_TABLE, digitRows(ROWS));
  expect(batch).toMatchObject({ status: 'completed', request_counts: { completed: ROWS } });
  const job = await stack.fetch('/v1/jobs', {
    ...affineRequest([[1, 2, 3, 4]], { model: 'affine' }),
    headers: { 'content-type': 'application/json', 'idempotency-key': 'once' },
  });
  expect(job.status).toBe(202);
  for (const act of ['unload', 'load']) {
    expect((await stack.fetch(`/v2/repository/models/affine/${act}`, { method: 'POST' })).status).toBe(200);
  }
  expect((await stack.fetch('/v2/models/affine/stats')).status).toBe(200);
  await Promise.all(stack.workers.map((worker) => worker.stop()));

  const connections = String(await admin.call('CLIENT', 'LIST'))
    .trim()
    .split('\n');
  const users = new Set(connections.map((line) => / user=(\S+)/.exec(line)?.[1]));
  expect([...users].toSorted()).toEqual(['default', 'sconce']);
  expect(connections.filter((line) => line.includes(' user=default ')).length).toBe(1);
  expect(await admin.call('ACL', 'LOG')).toEqual([]);
});
