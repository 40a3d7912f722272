import { describe, expect, it } from 'vitest';
import { MicroBatcher } from './micro-batcher.ts';
import { TestRunner, fileOf, model, request, turn, valuesOf } from './testing/test-runner.ts';

const measured = [{ rows: 1, latencyMs: 500 }];
const slow = model({ measured, maxBatchRows: 2 });
const other = model({ file: fileOf('other') });

function newBatcher(): { runner: TestRunner; batcher: MicroBatcher } {
  const runner = new TestRunner({ threads: 1, capacity: 2, hold: true });
  return { runner, batcher: new MicroBatcher(runner, { maxWaiting: 100 }) };
}

describe('an overdue run', () => {
  it('takes longer than any run of its model before, three times, and some tenths of a second', async () => {
    const { runner, batcher } = newBatcher();
    const quick = model({ file: fileOf('quick'), measured: [{ rows: 1, latencyMs: 0.1 }] });
    const all = [slow, quick, other].map((one) => batcher.submit(request([1], { model: one })));
    for (let run = 0; run < 3; run++) {
      await turn();
      runner.releaseOne();
      await turn();
    }
    await Promise.all(all);
    const limits = new Map(runner.calls.map(({ file, overdueMs }) => [file.key, overdueMs]));
    expect(limits).toEqual(
      new Map([
        ['m', 1_500],
        ['quick', 400],
        ['other', undefined],
      ]),
    );
  });

  it('is none if a run of its model took as long elsewhere', async () => {
    const { runner, batcher } = newBatcher();
    const timing = { threadId: 0, runStartMs: 0, runEndMs: 800, loadMs: 0 };
    batcher.learn({ model: slow, rows: 1, requests: 1, labels: [], outcome: { timing } });
    batcher.learn({ model: slow, rows: 1, requests: 1, labels: [], outcome: { error: 'run_crashed' } });
    const reply = batcher.submit(request([1], { model: slow }));
    await turn();
    expect(runner.calls[0]?.overdueMs).toBe(2_400);
    runner.releaseOne();
    await reply;
  });

  it('is abandoned when others wait: its requests are to run again, alone, and it does not count any more', async () => {
    const { runner, batcher } = newBatcher();
    const stuck = [batcher.submit(request([1], { model: slow })), batcher.submit(request([2], { model: slow }))];
    await turn();
    expect(runner.calls[0]?.onOverdue?.()).toBe(false);
    const waiting = batcher.submit(request([5], { model: other }));
    await turn();
    expect(runner.calls[0]?.onOverdue?.()).toBe(true);
    for (const reply of stuck) await expect(reply).rejects.toMatchObject({ code: 'thread_crashed' });
    await turn();
    expect(batcher.running).toBe(1);
    // The runner has the first run still; the next one may start at once.
    const calls = runner.calls.length;
    runner.releaseOne();
    runner.releaseOne();
    expect(valuesOf((await waiting).outputs)).toEqual([6]);
    await turn();
    expect(batcher.running).toBe(0);
    expect(runner.calls).toHaveLength(calls);
  });

  it('of an unbounded model is abandoned in any case', async () => {
    const { runner, batcher } = newBatcher();
    const reply = batcher.submit(request([1], { model: model({ measured, unbounded: true }) }));
    await turn();
    expect(runner.calls[0]?.onOverdue?.()).toBe(true);
    await expect(reply).rejects.toMatchObject({ code: 'thread_crashed' });
    runner.releaseOne();
    await turn();
    expect(batcher.running).toBe(0);
  });
});
