import 'reflect-metadata';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import { OpenAI } from 'openai';
import { afterEach, expect, it } from 'vitest';
import type { WebhookJob } from '@sconce/contracts';
import { QueueConsumer, WebhookConsumer, WebhookQueue, WorkerConnections, queueConfigSchema } from '@sconce/queue';
import { createLogger, startTelemetry, type Telemetry } from '@sconce/telemetry';
import { startOtlpCollector } from '@sconce/trace-view';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { WebhookProcessor } from './webhook.processor.ts';

// From the queue to a receiver, over a real Redis.

failOnLeaks({ settleMs: 3_000 });
const { url: redisUrl, prefix } = testRedis();
let systems = 0;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const TRACE = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const webhook = (url: string): WebhookJob => ({
  v: 1,
  eventId: 'evt_1',
  type: 'batch.completed',
  createdAt: 1_700_000_000,
  data: { id: 'batch_1' },
  url,
  secret: SECRET,
  trace: { traceparent: `00-${TRACE.traceId}-${TRACE.spanId}-01` },
});

interface Received {
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** A receiver that gives each request the next of its answers, the last one again and again. */
async function startReceiver(
  ...answers: ((response: ServerResponse) => void)[]
): Promise<{ url: string; host: string; received: Received[] }> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk as string;
    received.push({ headers: request.headers as Record<string, string>, body });
    answers[Math.min(received.length, answers.length) - 1]?.(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: `http://${host}/hook?key=hidden`, host, received };
}

const answer =
  (status: number) =>
  (response: ServerResponse): void =>
    void response.writeHead(status).end();

interface Worker {
  readonly logged: Record<string, unknown>[];
  readonly close: (graceMs: number) => Promise<boolean>;
}

function newSystem(): {
  add: (job: WebhookJob) => Promise<void>;
  startWorker: (options?: { telemetry?: Telemetry; allowPrivate?: boolean }) => Promise<Worker>;
} {
  const keyPrefix = `${prefix}-${systems++}`;
  const onError = (): void => undefined;
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null });
  const queue = new WebhookQueue({ redis, keyPrefix, onError });
  closers.push(async () => {
    await queue.close();
    redis.disconnect();
  });
  return {
    add: (job) => queue.add(job),
    startWorker: async ({ telemetry, allowPrivate = true } = {}) => {
      const logged: Record<string, unknown>[] = [];
      const destination = { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) };
      const logger = createLogger({ service: 'worker', level: 'info', destination });
      const processor = new WebhookProcessor(
        { webhooks: { allowPrivate } },
        logger,
        telemetry ?? (await startTracing()),
      );
      const webhooks = new WebhookConsumer({
        handle: (job, attempt) => processor.handle(job, attempt),
        onGivenUp: (job, reason, attempts) => processor.giveUp(job, reason, attempts),
        retryDelaysMs: [50, 50, 50],
      });
      const connections = new WorkerConnections(queueConfigSchema.parse({ redisUrl, keyPrefix }), onError);
      const consumer = new QueueConsumer(connections, { queue: 'webhooks', consumers: [webhooks] });
      const close = async (graceMs: number): Promise<boolean> => {
        const ended = await consumer.close(graceMs);
        await connections.close();
        return ended;
      };
      closers.push(() => close(5_000));
      await consumer.ready();
      return { logged, close };
    },
  };
}

/** Spans go to `endpoint`; without one they go nowhere. */
async function startTracing(endpoint?: string): Promise<Telemetry> {
  const telemetry = await startTelemetry({
    service: 'worker',
    version: '0',
    instanceId: 'webhooks',
    exportDelayMs: 20,
    traces: {
      exporter: endpoint === undefined ? 'none' : 'otlp',
      endpoint: endpoint ?? '',
      protocol: 'http/json',
      headers: {},
      sampleRatio: 1,
    },
  });
  closers.push(() => telemetry.shutdown());
  return telemetry;
}

it('delivers an event once, signed, though it was added twice', async () => {
  const { add, startWorker } = newSystem();
  const { url, host, received } = await startReceiver(answer(204));
  await Promise.all([add(webhook(url)), add(webhook(url))]);
  const { logged } = await startWorker();
  await eventually(() => expect(logged).toHaveLength(1));
  expect(logged[0]).toMatchObject({ msg: 'webhook delivered', eventId: 'evt_1', host, attempt: 1, status: 204 });
  expect(JSON.stringify(logged)).not.toContain('hidden');
  expect(received).toHaveLength(1);
  const [{ body, headers }] = received as [Received];
  const event = await new OpenAI({ apiKey: 'none' }).webhooks.unwrap(body, headers, SECRET);
  expect(event).toMatchObject({ id: 'evt_1', type: 'batch.completed', data: { id: 'batch_1' } });
});

it('tries again until the receiver accepts, always under the same id and with the same body', async () => {
  const collector = await startOtlpCollector();
  closers.push(() => collector.stop());
  const { add, startWorker } = newSystem();
  const { url, received } = await startReceiver(answer(503), (response) => response.socket?.destroy(), answer(200));
  const { logged } = await startWorker({ telemetry: await startTracing(collector.url) });
  await add(webhook(url));
  await eventually(() => expect(logged).toHaveLength(3));
  expect(logged.map(({ msg, attempt }) => [msg, attempt])).toEqual([
    ['webhook not delivered', 1],
    ['webhook not delivered', 2],
    ['webhook delivered', 3],
  ]);
  expect(new Set(logged.map((line) => line['trace_id']))).toEqual(new Set([TRACE.traceId]));
  expect(new Set(received.map(({ headers, body }) => `${headers['webhook-id']} ${body}`)).size).toBe(1);
  const spans = await collector.waitFor((all) => all.length === 3);
  expect(spans).toMatchObject(
    ([503, undefined, 200] as const).map((status, n) => ({
      traceId: TRACE.traceId,
      parentSpanId: TRACE.spanId,
      name: 'sconce.webhook',
      status: status === 200 ? 'unset' : 'error',
      attributes: {
        'sconce.webhook.attempt': n + 1,
        ...(status === undefined ? {} : { 'http.response.status_code': status }),
      },
    })),
  );
});

it.each([
  ['answers 410', 410, 1],
  ['never accepts', 500, 4],
])('gives a receiver up that %s', async (_what, status, attempts) => {
  const { add, startWorker } = newSystem();
  const { url, host, received } = await startReceiver(answer(status));
  const { logged } = await startWorker();
  await add(webhook(url));
  await eventually(() => expect(logged.at(-1)?.['msg']).toBe('webhook given up'));
  const reason = expect.stringContaining(`${host} answered ${status}`) as string;
  expect(logged.at(-1)).toMatchObject({ level: 'warn', eventId: 'evt_1', host, attempts, reason });
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(received).toHaveLength(attempts);
});

it('sends nothing into a private network unless that is allowed', async () => {
  const { add, startWorker } = newSystem();
  const { url, received } = await startReceiver(answer(200));
  const { logged } = await startWorker({ allowPrivate: false });
  await add(webhook(url));
  await eventually(() => expect(logged.at(-1)).toMatchObject({ msg: 'webhook given up', attempts: 1 }));
  expect(received).toEqual([]);
});

it('delivers an event again if a worker ended before the answer', { timeout: 40_000 }, async () => {
  const { add, startWorker } = newSystem();
  // The first request is never answered.
  const { url, received } = await startReceiver(() => undefined, answer(200));
  const doomed = await startWorker();
  await add(webhook(url));
  await eventually(() => expect(received).toHaveLength(1));
  expect(await doomed.close(0)).toBe(false);
  const { logged } = await startWorker();
  await eventually(() => expect(logged.at(-1)).toMatchObject({ msg: 'webhook delivered' }), { timeoutMs: 20_000 });
  expect(received.map(({ headers }) => headers['webhook-id'])).toEqual(['evt_1', 'evt_1']);
});
