import { describe, expect, it, vi } from 'vitest';
import { SconceError } from '@sconce/errors';
import { promiseAnswer } from '../producers/inference-port.ts';
import { RequestAdmission } from '../producers/request-admission.ts';
import { Keys } from '../redis/keys.ts';
import { soon } from '../testing/queue-system.ts';
import { request } from '../testing/stream-system.ts';
import { RespError, type RespReply } from './resp-parser.ts';
import { StreamRequests } from './stream-requests.ts';

// When the memory of a request's inputs may be freed: the test decides when Redis replies to a write, and when the answer comes.

interface Write {
  readonly confirm: (reply: RespReply) => void;
  readonly fail: (error: Error) => void;
}

const ANSWER = { ok: true, outputs: [], timing: { queueMs: 0, batchMs: 0, runMs: 0, batchRows: 1 } } as const;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function producer(): { readonly requests: StreamRequests; readonly writes: Write[] } {
  const writes: Write[] = [];
  const requests = new StreamRequests({
    redis: {
      ready: true,
      call: () =>
        new Promise((confirm, fail) => {
          writes.push({ confirm, fail });
        }),
    },
    keys: new Keys('spec'),
    replyStream: 'spec:replies',
    admission: new RequestAdmission({ maxOutstanding: 100, maxOutstandingBytes: 1e6 }),
    usage: { begin: () => () => undefined },
    threadsOf: () => 1,
    admit: () => undefined,
    onLateReply: () => undefined,
    onGivenUp: () => undefined,
  });
  return { requests, writes };
}

/** A producer with requests in one entry, whose write Redis has not confirmed. Requests have the numbers 1, 2, … */
async function sent(count = 1) {
  const { requests, writes } = producer();
  const unused = Array.from({ length: count }, () => vi.fn<() => void>());
  const pending = unused.map((onInputsUnused, n) => promiseAnswer(requests, request(n), { ...soon(), onInputsUnused }));
  for (const { answer } of pending) answer.catch(() => undefined);
  await turn();
  const [write] = writes;
  if (write === undefined) throw new Error('nothing was written');
  return { requests, writes, write, pending, calls: () => unused.map(({ mock }) => mock.calls.length) };
}

describe('the inputs of requests', () => {
  it('are unused when the request is answered and Redis has confirmed the entry, in any order', async () => {
    const first = await sent();
    first.write.confirm('1-0');
    await turn();
    expect(first.calls()).toEqual([0]);
    first.requests.onReply({ number: 1, outcome: ANSWER });
    expect(first.calls()).toEqual([1]);

    const second = await sent();
    second.requests.onReply({ number: 1, outcome: ANSWER });
    await turn();
    expect(second.calls()).toEqual([0]);
    second.write.confirm('1-0');
    await turn();
    expect(second.calls()).toEqual([1]);
  });

  it('are used until the last request of the entry ends, because the entry may be written again', async () => {
    const { requests, write, pending, calls } = await sent(3);
    write.confirm('1-0');
    await turn();
    requests.onReply({ number: 1, outcome: ANSWER });
    requests.onReply({ number: 3, outcome: { ok: false, error: new SconceError('inference_failed', 'x').toJSON() } });
    expect(calls()).toEqual([0, 0, 0]);
    pending[1]?.giveUp();
    expect(calls()).toEqual([1, 1, 1]);
  });

  it('are used while the entry is written again after a reconnect', async () => {
    const { requests, writes, write, calls } = await sent();
    write.confirm('1-0');
    await turn();
    const again = requests.addAgain();
    requests.onReply({ number: 1, outcome: ANSWER });
    await turn();
    expect(calls()).toEqual([0]);
    writes[1]?.confirm('2-0');
    await again;
    expect(calls()).toEqual([1]);
  });

  it('are used while their write is under way, also when the caller has gone', async () => {
    const { write, pending, calls } = await sent();
    pending[0]?.giveUp();
    await turn();
    expect(calls()).toEqual([0]);
    write.confirm('1-0');
    await turn();
    expect(calls()).toEqual([1]);
  });

  it('are left to the garbage collector after a write that failed: it is repeated, also when the caller has gone', async () => {
    const { requests, writes, write, pending, calls } = await sent();
    pending[0]?.giveUp();
    write.fail(new SconceError('redis_unavailable', 'lost'));
    await turn();
    expect(writes).toHaveLength(2);
    writes[1]?.confirm('2-0');
    await turn();
    requests.onReply({ number: 1, outcome: ANSWER });
    expect(calls()).toEqual([0]);
  });

  it('are left to the garbage collector when the request is refused or never sent', async () => {
    const refused = await sent();
    refused.write.fail(new RespError('OOM command not allowed'));
    await turn();
    await expect(refused.pending[0]?.answer).rejects.toMatchObject({ code: 'redis_unavailable' });
    expect(refused.calls()).toEqual([0]);

    const { requests } = producer();
    const unused = vi.fn<() => void>();
    const { answer, giveUp } = promiseAnswer(requests, request(1), { ...soon(), onInputsUnused: unused });
    giveUp();
    await expect(answer).rejects.toMatchObject({ code: 'job_cancelled' });
    await turn();
    expect(unused).not.toHaveBeenCalled();
  });
});

describe('answers that come together', () => {
  it('are handed on at once when they belong to one owner', async () => {
    // The first request of a producer counts as a change of the owner.
    vi.useFakeTimers({ toFake: ['Date', 'performance'] });
    try {
      const { requests } = producer();
      promiseAnswer(requests, { ...request(1), owner: 'a' }, soon()).answer.catch(() => undefined);
      vi.advanceTimersByTime(1_001);
      const settled = vi.fn<() => void>();
      for (let n = 0; n < 39; n++)
        void promiseAnswer(requests, { ...request(1), owner: 'a' }, soon()).answer.then(settled);
      requests.onReplies(Array.from({ length: 40 }, (_, n) => ({ number: n + 1, outcome: ANSWER })));
      await Promise.resolve();
      expect(settled).toHaveBeenCalledTimes(39);
    } finally {
      vi.useRealTimers();
    }
  });

  it('are handed on in turns of their owners, some in each turn of the event loop', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'] });
    try {
      const { requests } = producer();
      const owners = [...Array.from({ length: 40 }, () => 'a'), 'b', 'b'];
      const order: string[] = [];
      for (const owner of owners) {
        const onAnswer = (): void => {
          order.push(owner);
          // It takes as long as a turn of the event loop may take.
          vi.advanceTimersByTime(1);
        };
        requests.begin({ ...request(1), owner }, soon(), { onAnswer, onError: () => undefined });
      }
      requests.onReplies(owners.map((_, index) => ({ number: index + 1, outcome: ANSWER })));
      expect(order).toEqual(['a']);
      for (let turns = 0; turns < 5; turns++) await turn();
      expect(order).toEqual(['a', 'b', 'a', 'b', 'a', 'a']);
      requests.refuseAll(new SconceError('shutting_down', 'closed'));
      expect(order).toHaveLength(owners.length);
    } finally {
      vi.useRealTimers();
    }
  });
});
