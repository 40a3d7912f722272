import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OpenAI } from 'openai';
import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, it } from 'vitest';
import type { WebhookJob } from '@sconce/contracts';
import { failOnLeaks } from '@sconce/testing';
import { deliverWebhook, type WebhookDeliveryOptions } from './webhook-delivery.ts';

// One attempt, against a receiver on this machine.

failOnLeaks();
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Received {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Receiver {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  readonly server: Server;
}

async function startReceiver(
  answer: (response: ServerResponse) => void = (response) => response.end(),
  host = '127.0.0.1',
  port = 0,
): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method, url: path, headers } = request;
    received.push({ method, path, headers, body: Buffer.concat(chunks).toString() });
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const bound = (server.address() as AddressInfo).port;
  return { url: `http://${host}:${bound}/hook?key=1`, port: bound, received, server };
}

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const eventTo = (url: string, over: Partial<WebhookJob> = {}): WebhookJob => ({
  v: 1,
  eventId: 'evt_1',
  type: 'batch.completed',
  createdAt: 1_700_000_000,
  data: { id: 'batch_ä' },
  url,
  secret: SECRET,
  ...over,
});
const HERE: WebhookDeliveryOptions = { allowPrivate: true, version: '1.2.3' };
const OUTSIDE: WebhookDeliveryOptions = { allowPrivate: false, version: '1.2.3' };

describe('what arrives', () => {
  const openai = new OpenAI({ apiKey: 'none' });
  const deliver = async (): Promise<{ body: string; headers: Record<string, string> }> => {
    const { url, received } = await startReceiver();
    expect(await deliverWebhook(eventTo(url), HERE)).toEqual({ delivered: true, status: 200 });
    const [{ body, headers }] = received as [Received];
    return { body, headers: headers as Record<string, string> };
  };

  it('is a POST of the event', async () => {
    const { url, port, received } = await startReceiver();
    const before = Math.floor(Date.now() / 1_000);
    await deliverWebhook(eventTo(url), HERE);
    expect(received).toEqual([
      {
        method: 'POST',
        path: '/hook?key=1',
        headers: {
          host: `127.0.0.1:${port}`,
          connection: 'close',
          'content-type': 'application/json',
          'content-length': '105',
          'user-agent': 'sconce/1.2.3',
          'webhook-id': 'evt_1',
          'webhook-timestamp': expect.stringMatching(/^\d{10}$/) as string,
          'webhook-signature': expect.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/) as string,
        },
        body: '{"id":"evt_1","object":"event","created_at":1700000000,"type":"batch.completed","data":{"id":"batch_ä"}}',
      },
    ]);
    const seconds = Number(received[0]!.headers['webhook-timestamp']);
    expect(seconds).toBeGreaterThanOrEqual(before);
    expect(seconds).toBeLessThanOrEqual(Date.now() / 1_000);
  });

  it('is accepted by the verifiers of Standard Webhooks and of OpenAI', async () => {
    const { body, headers } = await deliver();
    const event = {
      id: 'evt_1',
      object: 'event',
      created_at: 1_700_000_000,
      type: 'batch.completed',
      data: { id: 'batch_ä' },
    };
    expect(new Webhook(SECRET).verify(body, headers)).toEqual(event);
    expect(await openai.webhooks.unwrap(body, headers, SECRET)).toEqual(event);
  });

  it.each<[string, { body?: string; secret?: string; headers?: Record<string, string> }]>([
    ['with another body', { body: '{"id":"evt_1","object":"event","type":"batch.failed"}' }],
    ['with another secret', { secret: `whsec_${Buffer.alloc(24).toString('base64')}` }],
    ['with another id', { headers: { 'webhook-id': 'evt_2' } }],
    ['with another time', { headers: { 'webhook-timestamp': String(Math.floor(Date.now() / 1_000) - 7) } }],
  ])('is refused by both %s', async (_what, forged) => {
    const genuine = await deliver();
    const { body, secret } = { body: genuine.body, secret: SECRET, ...forged };
    const headers = { ...genuine.headers, ...forged.headers };
    expect(() => new Webhook(secret).verify(body, headers)).toThrow('No matching signature');
    await expect(openai.webhooks.unwrap(body, headers, secret)).rejects.toThrow('does not match');
  });
});

describe('an answer', () => {
  it.each([
    [200, true, false],
    [204, true, false],
    [299, true, false],
    [400, false, false],
    [404, false, false],
    [410, false, true],
    [429, false, false],
    [500, false, false],
    [503, false, false],
  ])('of %i: delivered %s, final %s', async (status, delivered, permanent) => {
    const { url, port } = await startReceiver((response) => response.writeHead(status).end());
    expect(await deliverWebhook(eventTo(url), HERE)).toEqual(
      delivered
        ? { delivered, status }
        : {
            delivered,
            status,
            permanent,
            reason: expect.stringMatching(`^127.0.0.1:${port} answered ${status}`) as string,
          },
    );
  });

  it.each([300, 301, 302, 303, 304, 307, 308])('of %i is not followed', async (status) => {
    const target = await startReceiver();
    const { url } = await startReceiver((response) => response.writeHead(status, { location: target.url }).end());
    const reason = expect.stringContaining('redirects are not followed') as string;
    expect(await deliverWebhook(eventTo(url), HERE)).toEqual({ delivered: false, status, permanent: false, reason });
    expect(target.received).toEqual([]);
  });

  it('that never ends is read for 16 KiB, and is a success', async () => {
    let written = 0;
    const { url } = await startReceiver((response) => {
      const timer = setInterval(() => {
        written += 1_024;
        response.write(Buffer.alloc(1_024));
      }, 1);
      response.once('close', () => clearInterval(timer));
    });
    expect(await deliverWebhook(eventTo(url), HERE)).toEqual({ delivered: true, status: 200 });
    expect(written).toBeLessThan(200_000);
  });

  it('whose body stalls is a success when the time is over', async () => {
    const { url } = await startReceiver((response) => void response.writeHead(200).write('x'));
    expect(await deliverWebhook(eventTo(url), { ...HERE, timeoutMs: 200 })).toEqual({ delivered: true, status: 200 });
  });
});

describe('no answer', () => {
  const failed = (reason: string): object => ({
    delivered: false,
    permanent: false,
    reason: expect.stringContaining(reason) as string,
  });

  it('within the time is a failure', async () => {
    const { url } = await startReceiver(() => undefined);
    expect(await deliverWebhook(eventTo(url), { ...HERE, timeoutMs: 200 })).toEqual(failed('no answer within 0.2 s'));
  });

  it('within the time is a failure, though headers arrive slowly', async () => {
    const { url } = await startReceiver(({ socket }) => {
      const timer = setInterval(() => socket?.write('HTTP/1.1 100 Continue\r\n\r\n'), 20);
      socket?.once('close', () => clearInterval(timer));
    });
    expect(await deliverWebhook(eventTo(url), { ...HERE, timeoutMs: 300 })).toEqual(failed('no answer within 0.3 s'));
  });

  it('of the resolver within the time is a failure', async () => {
    const resolve = (): Promise<string[]> => new Promise(() => undefined);
    const outcome = await deliverWebhook(eventTo('https://hooks.test/'), { ...OUTSIDE, resolve, timeoutMs: 100 });
    expect(outcome).toEqual(failed('no answer within 0.1 s'));
  });

  it.each<[string, string, (response: ServerResponse) => void]>([
    ['a connection that is closed', 'hang up', (response) => response.socket?.destroy()],
    ['what is not HTTP', 'Parse Error', (response) => response.socket?.end('SSH-2.0-OpenSSH\r\n')],
    [
      'a change of protocol',
      'closed without an answer',
      ({ socket }) => socket?.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
    ],
    ['headers without end', 'Header', (response) => response.writeHead(200, { x: 'x'.repeat(100_000) }).end()],
  ])('but %s is a failure', async (_what, reason, answer) => {
    const { url } = await startReceiver(answer);
    expect(await deliverWebhook(eventTo(url), HERE)).toEqual(failed(reason));
  });

  it('because there is no listener or no such name is a failure', async () => {
    const { url, server } = await startReceiver();
    await new Promise((resolve) => server.close(resolve));
    expect(await deliverWebhook(eventTo(url), HERE)).toEqual(failed('ECONNREFUSED'));
    const resolve = async (): Promise<string[]> => Promise.reject(new Error('getaddrinfo ENOTFOUND hooks.test'));
    const outcome = await deliverWebhook(eventTo('https://hooks.test/'), { ...OUTSIDE, resolve });
    expect(outcome).toEqual(failed('hooks.test: getaddrinfo ENOTFOUND'));
    const nowhere = await deliverWebhook(eventTo('https://hooks.test/'), { ...OUTSIDE, resolve: async () => [] });
    expect(nowhere).toEqual(failed('no address'));
  });
});
