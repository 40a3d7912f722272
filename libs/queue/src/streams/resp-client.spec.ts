import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { startRedisServer, type RedisServer } from '@sconce/redis-server';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { RespClient, type RespClientOptions } from './resp-client.ts';
import { RespError } from './resp-parser.ts';

failOnLeaks();
const { url, prefix: keyPrefix } = testRedis();
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function open(options: Partial<RespClientOptions> = {}): RespClient {
  const client = new RespClient({ url, name: 'resp-client-spec', onError: () => undefined, ...options });
  closers.push(() => client.close());
  return client;
}

async function server(): Promise<RedisServer> {
  const started = await startRedisServer();
  closers.push(() => started.stop());
  return started;
}

describe('RespClient', () => {
  it('sends texts, numbers and bytes and returns the replies in order', async () => {
    const client = open();
    const key = `${keyPrefix}:a`;
    const bytes = Buffer.from([0, 255, 13, 10, 0]);
    const replies = await client.pipeline([
      ['SET', key, bytes],
      ['GET', key],
      ['STRLEN', key],
      ['SET', key, 17, 'EX', 60],
      ['GET', key],
      ['GET', `${key}:none`],
      ['LRANGE', key, 0, -1],
    ]);
    expect(replies.slice(0, 6)).toEqual(['OK', bytes, 5, 'OK', Buffer.from('17'), null]);
    expect(replies[6]).toBeInstanceOf(RespError);
    await expect(client.call('NOSUCH')).rejects.toThrow(/unknown command/);
  });

  it('writes pieces of any size as one argument, among other commands', async () => {
    const client = open();
    const key = `${keyPrefix}:pieces`;
    const sizes = [[1, 2], [5_000], [3, 100_000, 4_096, 7], [4_095], [700_001, 1]];
    await Promise.all(
      sizes.map(async (own, n) => {
        const pieces = own.map((size, index) => Buffer.alloc(size, n * 16 + index));
        const whole = Buffer.concat(pieces);
        await client.call('SET', `${key}:${n}`, { byteLength: whole.length, pieces });
        expect(whole.equals((await client.call('GET', `${key}:${n}`)) as Buffer)).toBe(true);
      }),
    );
  });

  it('logs in, selects the database and names its connection', async () => {
    const secured = await server();
    await open({ url: secured.url }).call('CONFIG', 'SET', 'requirepass', 'se:cret');
    const address = new URL(secured.url);
    address.password = encodeURIComponent('se:cret');
    address.pathname = '/3';
    const client = open({ url: address.href, name: 'named' });
    const info = String(await client.call('CLIENT', 'INFO'));
    expect(info).toMatch(/ name=named .* db=3 /);
  });

  it('fails commands whose reply a lost connection took, and connects again by itself', async () => {
    const restarted = await server();
    const ready: boolean[] = [];
    const client = open({ url: restarted.url, onReady: (again) => ready.push(again) });
    await client.call('PING');
    const lost = expect(client.call('BLPOP', 'nothing', 0)).rejects.toMatchObject({ code: 'redis_unavailable' });
    await restarted.restart();
    await lost;
    await eventually(() => {
      expect(ready).toEqual([false, true]);
    });
    expect(await client.call('PING')).toBe('PONG');
  });

  it('fails a command after two seconds without a connection', async () => {
    const client = open({ url: 'redis://127.0.0.1:1' });
    const startMs = performance.now();
    await expect(client.call('PING')).rejects.toMatchObject({ code: 'redis_unavailable' });
    expect(performance.now() - startMs).toBeLessThan(8_000);
  });

  it('fails every command when it is closed', async () => {
    const client = open();
    await client.call('PING');
    const waiting = expect(client.call('BLPOP', `${keyPrefix}:none`, 0)).rejects.toMatchObject({
      code: 'redis_unavailable',
    });
    client.close();
    await waiting;
    await expect(client.call('PING')).rejects.toMatchObject({ code: 'redis_unavailable' });
  });

  it('ends a connection on which the server sends no RESP, and tries again', async () => {
    const errors: string[] = [];
    const sockets: Socket[] = [];
    const fake = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined).write('HTTP/1.1 400 Bad Request\r\n\r\n');
    }).listen(0, '127.0.0.1');
    await once(fake, 'listening');
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
      fake.close();
    });
    const { port } = fake.address() as { port: number };
    open({ url: `redis://127.0.0.1:${port}`, onError: (error) => errors.push(error.message) });
    await eventually(() => {
      expect(sockets.length).toBeGreaterThan(1);
      expect(errors.join()).toContain('unknown type');
    });
  });
});
