import { once } from 'node:events';
import { createServer } from 'node:http';
import { Socket, createServer as createTcpServer, type AddressInfo, type LookupFunction, type Server } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { WebhookJob } from '@sconce/contracts';
import { failOnLeaks } from '@sconce/testing';
import { deliverWebhook } from './webhook-delivery.ts';

// An attempt connects only to the addresses that it may connect to.

failOnLeaks();
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const close of closers.splice(0).reverse()) await close();
});

async function listen(server: Server, host: string, port = 0): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

const eventTo = (url: string): WebhookJob => ({
  v: 1,
  eventId: 'evt_1',
  type: 'batch.failed',
  createdAt: 1_700_000_000,
  data: { id: 'batch_1' },
  url,
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
});
const PUBLIC = '93.184.215.14';
const OUTSIDE = { allowPrivate: false, version: '1' };
const HERE = { allowPrivate: true, version: '1' };

/** Connections are not made: what they would look up is kept. */
function interceptConnections(): { readonly lookup?: LookupFunction; readonly host?: string }[] {
  const made: { lookup?: LookupFunction; host?: string }[] = [];
  vi.spyOn(Socket.prototype, 'connect').mockImplementation(function (this: Socket, ...[given]: unknown[]) {
    made.push((Array.isArray(given) ? given[0] : given) as { lookup?: LookupFunction; host?: string });
    setImmediate(() => this.destroy(new Error('not in a test')));
    return this;
  });
  return made;
}

describe('nothing is connected to', () => {
  it.each([
    'http://2130706433/',
    'https://2130706433/',
    'https://0177.0.0.1/',
    'https://0x7f000001/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::1]/',
    'https://localhost/',
    'https://169.254.169.254/latest/meta-data/',
    'http://example.com/',
    'https://user:word@example.com/',
    'ftp://example.com/',
  ])('for %s, now or later', async (url) => {
    const made = interceptConnections();
    const resolve = vi.fn(async () => [PUBLIC]);
    const outcome = await deliverWebhook(eventTo(url), { ...OUTSIDE, resolve });
    expect(outcome).toMatchObject({ delivered: false, permanent: true });
    expect([made, resolve.mock.calls]).toEqual([[], []]);
  });

  it.each([
    [['127.0.0.1'], 'loopback'],
    [['10.1.2.3'], 'private'],
    [['169.254.169.254'], 'linkLocal'],
    [['100.64.0.1'], 'carrierGradeNat'],
    [['0.0.0.0'], 'unspecified'],
    [['::1'], 'loopback'],
    [['::ffff:192.168.0.1'], 'private'],
    [['64:ff9b::7f00:1'], 'loopback'],
    [['fd00::1'], 'uniqueLocal'],
    [[PUBLIC, '10.0.0.1'], 'private'],
    [[PUBLIC, 'nonsense'], 'invalid'],
  ])('for a name that resolves to %j', async (addresses, range) => {
    const made = interceptConnections();
    const outcome = await deliverWebhook(eventTo('https://hooks.test/'), {
      ...OUTSIDE,
      resolve: async () => addresses,
    });
    // Names may change: the delivery is tried again later.
    const reason = `hooks.test: it resolves to an address that is not on the public internet (${range})`;
    expect(outcome).toEqual({ delivered: false, permanent: false, reason });
    expect(made).toEqual([]);
  });

  it('for a secret that is not valid', async () => {
    const made = interceptConnections();
    const outcome = await deliverWebhook({ ...eventTo('https://hooks.test/'), secret: 'whsec_*' }, OUTSIDE);
    expect(outcome).toMatchObject({ delivered: false, permanent: true });
    expect(made).toEqual([]);
  });
});

describe('a name is resolved once', () => {
  it('and the connection goes to the checked address, though the name resolves to a private address a moment later', async () => {
    const made = interceptConnections();
    const resolve = vi.fn(async () =>
      resolve.mock.calls.length === 1 ? [PUBLIC, '2606:4700:4700::1111'] : ['127.0.0.1'],
    );
    const outcome = await deliverWebhook(eventTo('https://hooks.test/'), { ...OUTSIDE, resolve });
    expect(outcome).toMatchObject({ delivered: false, reason: 'hooks.test: not in a test' });
    expect(made).toHaveLength(1);
    const { lookup, host } = made[0]!;
    expect(host).toBe('hooks.test');
    const found = (all: boolean): unknown[] => {
      let answer: unknown[] = [];
      lookup?.('hooks.test', { all }, (...given) => (answer = given));
      return answer;
    };
    expect(found(false)).toEqual([null, PUBLIC, 4]);
    expect(found(true)).toEqual([
      null,
      [
        { address: PUBLIC, family: 4 },
        { address: '2606:4700:4700::1111', family: 6 },
      ],
    ]);
    expect(resolve).toHaveBeenCalledExactlyOnceWith('hooks.test');
  });

  it('and the request still names the host', async () => {
    const hosts: unknown[] = [];
    const port = await listen(
      createServer((request, response) => {
        hosts.push(request.headers.host);
        response.end();
      }),
      '127.0.0.1',
    );
    const resolve = vi.fn(async () => (resolve.mock.calls.length === 1 ? ['127.0.0.1'] : ['127.0.0.2']));
    const outcome = await deliverWebhook(eventTo(`http://hooks.test:${port}/`), { ...HERE, resolve });
    expect([outcome, hosts]).toEqual([{ delivered: true, status: 200 }, [`hooks.test:${port}`]]);
    expect(resolve).toHaveBeenCalledOnce();
  });

  it('and TLS asks for the host’s certificate at the address that was checked', async () => {
    const server = createTcpServer();
    const port = await listen(server, '127.0.0.1');
    const hello = once(server, 'connection').then(async ([socket]: Socket[]) => {
      const [bytes] = (await once(socket!, 'data')) as [Buffer];
      socket!.destroy();
      return bytes.toString('latin1');
    });
    const resolve = vi.fn(async () => ['127.0.0.1']);
    const outcome = await deliverWebhook(eventTo(`https://hooks.test:${port}/`), { ...HERE, resolve });
    expect(await hello).toContain('hooks.test');
    expect(outcome).toMatchObject({ delivered: false, permanent: false });
    expect(resolve).toHaveBeenCalledOnce();
  });

  it('by the system if no resolver is given', async () => {
    const port = await listen(
      createServer((_request, response) => response.end()),
      'localhost',
    );
    expect(await deliverWebhook(eventTo(`http://localhost:${port}/`), HERE)).toEqual({ delivered: true, status: 200 });
  });
});
