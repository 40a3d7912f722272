import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import type { DeliveredRequest, InferenceAnswer, InferenceRequest, PendingAnswer } from '@sconce/queue';
import { failOnLeaks } from '@sconce/testing';
import { LocalRunner } from './local-runner.ts';

failOnLeaks();

const TIMING = { queueMs: 0, batchMs: 0, runMs: 1, batchRows: 1 };
const request = (bytes = 4): InferenceRequest => ({
  model: 'm',
  version: '2',
  pool: 'default',
  inputs: [{ name: 'x', datatype: 'UINT8', shape: [bytes], data: new Uint8Array(bytes) }],
  outputs: ['y'],
  priority: 7,
  owner: 'o',
});
const inMs = (ms: number): { deadlineMs: number } => ({ deadlineMs: Date.now() + ms });

/** Hands a request to the runner, and gives its end as a promise. */
function begin(runner: LocalRunner, options: { deadlineMs: number }, bytes?: number): PendingAnswer {
  const { promise, resolve, reject } = Promise.withResolvers<InferenceAnswer>();
  const { giveUp } = runner.begin(request(bytes), options, { onAnswer: resolve, onError: reject });
  return { answer: promise, giveUp };
}

/** A runner whose requests are answered by the test. */
function heldRunner(limits: { maxOutstanding?: number; maxOutstandingBytes?: number } = {}): {
  runner: LocalRunner;
  held: { delivered: DeliveredRequest; answer: (answer: InferenceAnswer) => void; fail: (error: Error) => void }[];
} {
  const held: ReturnType<typeof heldRunner>['held'] = [];
  const processor = {
    handle: (delivered: DeliveredRequest) =>
      new Promise<InferenceAnswer>((answer, fail) => held.push({ delivered, answer, fail })),
  };
  const runner = new LocalRunner({ processor, maxOutstanding: 10, maxOutstandingBytes: 100, ...limits });
  return { runner, held };
}

describe('LocalRunner', () => {
  it('hands a request over as a worker gets it, and returns its answer', async () => {
    const { runner, held } = heldRunner();
    const { answer } = begin(runner, inMs(1_000));
    expect(held[0]?.delivered).toMatchObject({
      ...{ model: 'm', version: '2', lane: 'online', owner: 'o', delivery: 1, jobRequests: 1 },
      request: { inputs: 1, outputs: ['y'], priority: 7, durable: false },
    });
    expect(runner.outstanding).toBe(1);
    held[0]?.answer({ outputs: [], timing: TIMING });
    expect(await answer).toEqual({ outputs: [], timing: TIMING });
    expect(runner.outstanding).toBe(0);
    expect(await runner.close(1_000)).toBe(true);
  });

  it('passes on the error of a run', async () => {
    const { runner, held } = heldRunner();
    const { answer } = begin(runner, inMs(1_000));
    held[0]?.fail(new SconceError('inference_failed', 'the run failed'));
    await expect(answer).rejects.toMatchObject({ code: 'inference_failed' });
    await runner.close(0);
  });

  it('ends each request at its own deadline, in any order of deadlines', async () => {
    const { runner, held } = heldRunner();
    const [late, early] = [begin(runner, inMs(120)), begin(runner, inMs(30))];
    const ends: string[] = [];
    const ended = [late, early].map(({ answer }, i) =>
      answer.catch((error: SconceError) => ends.push(`${i === 0 ? 'late' : 'early'} ${error.code}`)),
    );
    await Promise.all(ended);
    expect(ends).toEqual(['early deadline_exceeded', 'late deadline_exceeded']);
    expect(held.map(({ delivered }) => delivered.signal.aborted)).toEqual([true, true]);
    await runner.close(0);
  });

  it('drops a request whose caller gives up, and ignores its late answer', async () => {
    const { runner, held } = heldRunner();
    const pending = begin(runner, inMs(1_000));
    pending.giveUp();
    pending.giveUp();
    await expect(pending.answer).rejects.toMatchObject({ code: 'job_cancelled' });
    expect(held[0]?.delivered.signal.aborted).toBe(true);
    held[0]?.answer({ outputs: [], timing: TIMING });
    await delay(1);
    expect(runner.outstanding).toBe(0);
    await runner.close(0);
  });

  it.each<[what: string, limits: Parameters<typeof heldRunner>[0], message: RegExp]>([
    ['requests', { maxOutstanding: 1 }, /^Too much is waiting: 1 requests are already waiting .*1 s\.$/],
    ['bytes', { maxOutstandingBytes: 7 }, /^Too much is waiting: 7 bytes of requests are already waiting/],
  ])('refuses too many %s, until others are answered', async (_, limits, message) => {
    const { runner, held } = heldRunner(limits);
    const first = begin(runner, inMs(1_000));
    await expect(begin(runner, inMs(1_000)).answer).rejects.toMatchObject({
      ...{ code: 'queue_full', details: { retryAfterSeconds: 1 } },
      message: expect.stringMatching(message) as string,
    });
    held[0]?.answer({ outputs: [], timing: TIMING });
    await first.answer;
    const next = begin(runner, inMs(1_000), 50);
    held[1]?.answer({ outputs: [], timing: TIMING });
    await next.answer;
    await runner.close(0);
  });

  it('answers what it has when it closes, and refuses new requests', async () => {
    const { runner, held } = heldRunner();
    const { answer } = begin(runner, inMs(1_000));
    const closing = runner.close(5_000);
    await expect(begin(runner, inMs(1_000)).answer).rejects.toMatchObject({ code: 'shutting_down' });
    held[0]?.answer({ outputs: [], timing: TIMING });
    expect(await closing).toBe(true);
    expect(await answer).toMatchObject({ timing: TIMING });
  });

  it('gives up what is not answered within the grace period', async () => {
    const { runner, held } = heldRunner();
    const { answer } = begin(runner, inMs(60_000));
    answer.catch(() => undefined);
    expect(await runner.close(10)).toBe(false);
    await expect(answer).rejects.toMatchObject({ code: 'shutting_down' });
    expect(held[0]?.delivered.signal.aborted).toBe(true);
  });
});
