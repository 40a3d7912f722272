import { expect, it } from 'vitest';
import { startRedisServer } from '@sconce/redis-server';
import { eventually } from '@sconce/testing';
import { queueConfigSchema } from '../queue-config.ts';
import { request, tensor } from '../testing/queue-system.ts';
import { InferenceProducer } from './inference-producer.ts';

it(
  'accepts jobs when Redis is back, also in a queue that was first used while Redis was away',
  { timeout: 60_000 },
  async () => {
    const server = await startRedisServer();
    const producer = new InferenceProducer(queueConfigSchema.parse({ redisUrl: server.url }));
    const submit = (): Promise<unknown> => producer.submit(request([tensor([1])]), { lane: 'batch' });
    try {
      await producer.firstAnswer();
      server.kill('SIGKILL');
      await eventually(async () => expect(await producer.ping()).toBe(false), { timeoutMs: 10_000 });
      await expect(submit()).rejects.toMatchObject({ code: 'redis_unavailable' });
      await server.restart();
      await eventually(() => submit(), { timeoutMs: 20_000 });
    } finally {
      await producer.close();
      await server.stop();
    }
  },
);
