import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { freeBytes } from '@sconce/process/memory';
import { startRedisServer } from '@sconce/redis-server';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import type { RequestHandler } from '../consumers/request-consumer.ts';
import type { InferenceAnswer, InferenceRequest } from '../producers/inference-request.ts';
import { soon } from '../testing/queue-system.ts';
import { StreamSystem, type StreamProducer } from '../testing/stream-system.ts';

// Requests whose bytes are freed as soon as nobody reads them: each caller must still get the answer to its own bytes.

failOnLeaks();
const system = new StreamSystem(testRedis());
afterEach(() => system.close());

const TIMING = { queueMs: 0, batchMs: 0, runMs: 0, batchRows: 1 };
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A request of bytes that only it has. */
function largeRequest(seed: number, bytes = 100_000): InferenceRequest {
  const data = new Uint8Array(bytes);
  for (let at = 0, value = seed; at < bytes; at++) data[at] = value = (value * 48_271 + 11) % 65_521;
  const x = { name: 'x', datatype: 'UINT8' as const, shape: [bytes], data };
  return { model: 'm', version: '1', pool: 'default', inputs: [x], outputs: ['y'] };
}

/** Answers with the digest of the inputs, or with a copy of them, some turns of the event loop later. */
const handle: RequestHandler = async ({ inputs: [x] }) => {
  if (x === undefined) throw new Error('no input');
  await new Promise((resolve) => setTimeout(resolve, (x.data[5] ?? 0) % 8));
  const data = (x.data[1] ?? 0) % 2 === 0 ? x.data.slice() : Buffer.from(digest(x.data));
  return { outputs: [{ name: 'y', datatype: 'UINT8', shape: [data.length], data }], timing: TIMING };
};

/** Runs a request as the API does: its memory is freed when it is unused. */
async function inferAndFree(
  producer: StreamProducer,
  request: InferenceRequest,
  signal?: AbortSignal,
): Promise<InferenceAnswer> {
  const onInputsUnused = (): void => {
    for (const { data } of request.inputs) freeBytes(data);
  };
  return producer.infer(request, { ...soon(30_000), onInputsUnused, ...(signal === undefined ? {} : { signal }) });
}

/** Sends the request until it is answered: a connection that is lost three times while it is added makes it fail. */
async function expectOwnAnswer(producer: StreamProducer, seed: number): Promise<void> {
  const request = largeRequest(seed);
  const own = digest(request.inputs[0]?.data ?? new Uint8Array());
  let outputs: InferenceAnswer['outputs'];
  try {
    ({ outputs } = await inferAndFree(producer, request));
  } catch (error) {
    if (!(error instanceof SconceError && error.code === 'redis_unavailable')) throw error;
    await expectOwnAnswer(producer, seed);
    return;
  }
  const data = outputs[0]?.data ?? new Uint8Array();
  expect(data.length === 64 ? Buffer.from(data).toString() : digest(data)).toBe(own);
}

describe('large requests', () => {
  it('free their memory in the producer after the answer', async () => {
    const own = system.installation();
    await system.consumer(own, { handle });
    const producer = system.producer(own);
    const requests = Array.from({ length: 20 }, (_, n) => largeRequest(n));
    await Promise.all(requests.map((request) => inferAndFree(producer, request)));
    await eventually(() => {
      expect(requests.map(({ inputs }) => inputs[0]?.data.byteLength)).toEqual(requests.map(() => 0));
    });
  });

  it('free their frame and their outputs in the worker after the answer, but keep the frame of a failed run', async () => {
    const own = system.installation();
    const [inputs, outputs]: [Uint8Array[], Uint8Array[]] = [[], []];
    await system.consumer(own, {
      handle: async (delivered) => {
        inputs.push(delivered.inputs[0]?.data ?? new Uint8Array());
        if (delivered.inputs[0]?.data.byteLength === 50_000) throw new SconceError('invalid_tensor', 'no good');
        const data = new Uint8Array(70_000);
        outputs.push(data);
        return { outputs: [{ name: 'y', datatype: 'UINT8', shape: [70_000], data }], timing: TIMING };
      },
    });
    const producer = system.producer(own);
    await producer.infer(largeRequest(1), soon());
    await expect(producer.infer(largeRequest(2, 50_000), soon())).rejects.toMatchObject({ code: 'invalid_tensor' });
    await eventually(() => {
      expect([inputs[0]?.byteLength, outputs[0]?.byteLength]).toEqual([0, 0]);
    });
    expect(inputs[1]?.byteLength).toBe(50_000);
  });

  it('are answered when an output is a view of the inputs', async () => {
    const own = system.installation();
    await system.consumer(own, {
      handle: async ({ inputs: [x] }) => {
        if (x === undefined) throw new Error('no input');
        return { outputs: [{ ...x, name: 'y' }], timing: TIMING };
      },
    });
    const producer = system.producer(own);
    const answers = await Promise.all(
      Array.from({ length: 30 }, async (_, n) => producer.infer(largeRequest(n), soon())),
    );
    expect(answers.map(({ outputs }) => digest(outputs[0]?.data ?? new Uint8Array()))).toEqual(
      answers.map((__, n) => digest(largeRequest(n).inputs[0]?.data ?? new Uint8Array())),
    );
  });

  it('get their own answers while connections are lost, callers leave and workers hand entries back', async () => {
    const server = await startRedisServer({});
    system.onClose(() => server.stop());
    const own = system.installation(server.url);
    const [producer, other] = [system.producer(own), system.producer(own)];
    const first = await system.consumer(own, { handle });
    await system.consumer(own, { handle });
    const redis = system.redis(own);
    const work = Promise.all(
      Array.from({ length: 120 }, async (_, n) => {
        await new Promise((resolve) => setTimeout(resolve, n * 8));
        if (n % 10 === 3) {
          const leaving = new AbortController();
          setTimeout(() => leaving.abort(), n % 7);
          await inferAndFree(producer, largeRequest(n), leaving.signal).catch(() => undefined);
        } else await expectOwnAnswer(n % 2 === 0 ? producer : other, n);
      }),
    );
    for (let n = 0; n < 3; n++) {
      await new Promise((resolve) => setTimeout(resolve, 150));
      // Ends all connections but this one.
      await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    }
    await first.requeueAll();
    await work;
  }, 60_000);
});
