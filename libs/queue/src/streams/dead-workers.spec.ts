import { afterEach, describe, expect, it } from 'vitest';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { increment } from '../testing/queue-system.ts';
import { StreamSystem, request, valueOf, type Installation } from '../testing/stream-system.ts';
import { PRESENT } from './absent-workers.ts';
import { RespClient } from './resp-client.ts';
import { WORKERS_GROUP } from './workers-group.ts';

failOnLeaks();

const system = new StreamSystem(testRedis());
afterEach(() => system.close());

const TIMEOUT_MS = 30_000;
/** Often enough that the entry never counts as abandoned (3 s). */
const RENEW_MS = 500;

/** A worker that reads one entry and renews it for ever: only its missing listener can show that it is dead. */
async function holdOneEntry(own: Installation, name: string): Promise<void> {
  const redis = system.redis(own);
  const stream = own.keys.onlineStream('default');
  await eventually(async () => expect(await redis.call('XLEN', stream)).toBe(1));
  await redis.call('XGROUP', 'CREATE', stream, WORKERS_GROUP, '0').catch(() => undefined);
  await redis.call('XREADGROUP', 'GROUP', WORKERS_GROUP, name, 'COUNT', 1, 'STREAMS', stream, '>');
  const held = async (): Promise<string[]> => {
    const pending = await redis.call('XPENDING', stream, WORKERS_GROUP, '-', '+', 10, name);
    return Array.isArray(pending) ? pending.map((each) => String(Array.isArray(each) ? each[0] : '')) : [];
  };
  const renewal = setInterval(() => {
    void held()
      .then((ids) => (ids.length === 0 ? [] : redis.call('XCLAIM', stream, WORKERS_GROUP, name, 0, ...ids, 'JUSTID')))
      .catch(() => undefined);
  }, RENEW_MS);
  system.onClose(() => clearInterval(renewal));
}

/** A connection that listens as a worker does. */
function listen(own: Installation, name: string): RespClient {
  const client = new RespClient({
    url: own.redisUrl,
    name: 'worker',
    onError: () => undefined,
    subscription: { channel: own.keys.notices(), onMessage: () => undefined },
    presence: own.keys.presence(name),
  });
  system.onClose(() => client.close());
  return client;
}

describe('entries of a worker whose process has ended', () => {
  it('are taken over although they were renewed until just now, once the worker has no listener', async () => {
    const own = system.installation();
    const producer = system.producer(own);
    const name = `${PRESENT}dead`;
    const worker = listen(own, name);
    const answer = producer.infer(request(1), { deadlineMs: Date.now() + TIMEOUT_MS });
    await holdOneEntry(own, name);
    const deliveries: [number, boolean | undefined][] = [];
    const handle: typeof increment = (delivered) => {
      deliveries.push([delivered.delivery, delivered.suspect]);
      return increment(delivered);
    };
    // Two workers look; one of them gets the entry.
    await Promise.all([system.consumer(own, { handle }), system.consumer(own, { handle })]);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(deliveries).toEqual([]);
    worker.close();
    expect(valueOf(await answer)).toBe(2);
    expect(deliveries).toEqual([[2, true]]);
  }, 40_000);

  it('are left alone if the worker is of a release without a channel of its own', async () => {
    const own = system.installation();
    const producer = system.producer(own);
    const answer = producer.infer(request(1), { deadlineMs: Date.now() + 3_000 });
    await holdOneEntry(own, 'older-release');
    let ran = false;
    await system.consumer(own, { handle: (delivered) => ((ran = true), increment(delivered)) });
    await expect(answer).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(ran).toBe(false);
  });
});
