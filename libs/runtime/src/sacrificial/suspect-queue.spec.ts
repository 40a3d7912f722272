import { describe, expect, it } from 'vitest';
import type { BatchRequest, FinishedRun } from '../batching/batch-request.ts';
import { POISON, TestRunner, model, request, rowsOf, turn, valuesOf } from '../batching/testing/test-runner.ts';
import { SuspectQueue } from './suspect-queue.ts';

const one = model({ maxBatchRows: 1 });

describe('SuspectQueue', () => {
  it('runs each request alone, one after the other, and lets owners take turns', async () => {
    const runner = new TestRunner({ capacity: 1, hold: true });
    const queue = new SuspectQueue({ runner, maxWaiting: 100 });
    const order: string[] = [];
    const submit = (owner: string | undefined): Promise<unknown> =>
      queue.submit(request([1], { model: one, owner })).then(() => order.push(owner ?? '-'));
    const all = [submit('a'), submit('a'), submit('a'), submit('b'), submit(undefined)];
    for (let run = 1; run <= 5; run++) {
      await turn();
      expect(runner.calls).toHaveLength(run);
      runner.releaseOne();
      await turn();
    }
    await Promise.all(all);
    expect(order.join('')).toBe('ab-aa');
    expect(queue.waiting).toBe(0);
  });

  it('cuts a request into runs, and another owner’s request goes in between', async () => {
    const runner = new TestRunner({ capacity: 1 });
    const queue = new SuspectQueue({ runner, maxWaiting: 100 });
    const order: string[] = [];
    const long = queue.submit(request([1, 2, 3, 4, 5], { runRows: 2, owner: 'a' })).then((reply) => {
      order.push('long');
      return reply;
    });
    const short = queue.submit(request([7], { owner: 'b' })).then((reply) => {
      order.push('short');
      return reply;
    });
    expect(valuesOf((await long).outputs)).toEqual([2, 3, 4, 5, 6]);
    expect(valuesOf((await short).outputs)).toEqual([8]);
    expect(order).toEqual(['short', 'long']);
    expect(rowsOf(runner)).toEqual([2, 1, 2, 1]);
    expect((await long).runs).toHaveLength(3);
  });

  it('pads the rows of a locked model, and refuses a request without rows', async () => {
    const queue = new SuspectQueue({ runner: new TestRunner({ capacity: 1 }), maxWaiting: 100 });
    const locked = model({ axis: 'locked', maxBatchRows: 4 });
    expect(valuesOf((await queue.submit(request([1, 2], { model: locked }))).outputs)).toEqual([2, 3]);
    await expect(queue.submit(request([], { model: locked }))).rejects.toMatchObject({ code: 'invalid_tensor' });
  });

  it('passes on the error of a run, and goes on', async () => {
    const runs: FinishedRun['outcome'][] = [];
    const runner = new TestRunner({ capacity: 1 });
    const queue = new SuspectQueue({ runner, maxWaiting: 100, onRun: ({ outcome }) => runs.push(outcome) });
    const [bad, good] = [queue.submit(request([POISON])), queue.submit(request([1]))];
    await expect(bad).rejects.toMatchObject({ code: 'inference_failed' });
    expect(valuesOf((await good).outputs)).toEqual([2]);
    expect(runs).toEqual([{ error: 'inference_failed' }, { timing: expect.any(Object) as unknown }]);
  });

  it.each<[string, Partial<BatchRequest>, string]>([
    ['was cancelled', { signal: AbortSignal.abort() }, 'job_cancelled'],
    ['is past its deadline', { deadlineMs: Date.now() - 1 }, 'deadline_exceeded'],
  ])('does not run a request that %s', async (_, over, code) => {
    const runner = new TestRunner({ capacity: 1 });
    const queue = new SuspectQueue({ runner, maxWaiting: 100 });
    await expect(queue.submit(request([1], over))).rejects.toMatchObject({ code });
    expect(runner.calls).toEqual([]);
  });

  it('refuses requests above its bound', async () => {
    const runner = new TestRunner({ capacity: 1, hold: true });
    const queue = new SuspectQueue({ runner, maxWaiting: 1 });
    const first = queue.submit(request([1]));
    await expect(queue.submit(request([1]))).rejects.toMatchObject({ code: 'queue_full' });
    runner.releaseOne();
    await first;
  });
});
