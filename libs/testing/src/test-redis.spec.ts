import { connect } from 'node:net';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { testRedis } from './index.ts';

it('gives the URL of a Redis that answers, and one prefix for the whole file', async () => {
  const { url, prefix } = testRedis();
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(`SET ${prefix}:key 1\r\n`);
  const [reply] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  expect(reply.toString()).toBe('+OK\r\n');
  expect(testRedis().prefix).toBe(prefix);
});
