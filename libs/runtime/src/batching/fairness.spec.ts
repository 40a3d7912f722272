import { describe, expect, it } from 'vitest';
import type { BatchRequest, BatchableModel } from './batch-request.ts';
import { MicroBatcher } from './micro-batcher.ts';
import { TestRunner, fileOf, model, request, turn } from './testing/test-runner.ts';

describe('MicroBatcher is fair:', () => {
  it('lets a fast model, and an urgent request, go after the run under way, whatever waits', async () => {
    const runner = new TestRunner({ capacity: 2, threads: 1, hold: true });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    const slow = model({ maxBatchRows: 1, measured: [{ rows: 1, latencyMs: 60_000 }] });
    const fast = model({ file: fileOf('fast'), measured: [{ rows: 1, latencyMs: 0.1 }] });
    const order: string[] = [];
    const submit = (name: string, over: Partial<BatchRequest>): Promise<unknown> =>
      batcher.submit(request([1], over)).then(() => order.push(name));
    const all = Array.from({ length: 8 }, () => submit('slow', { model: slow }));
    await turn();
    all.push(submit('fast', { model: fast }), submit('urgent', { model: slow, priority: 1 }));
    for (let run = 0; run < 10; run++) {
      await turn();
      runner.releaseOne();
      await turn();
    }
    await Promise.all(all);
    expect(order.slice(0, 3)).toEqual(['slow', 'urgent', 'fast']);
  });

  it('lets owners take turns within a model, row by row', async () => {
    const runner = new TestRunner({ capacity: 1, hold: true });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    const one = model({ maxBatchRows: 1 });
    const order: string[] = [];
    const submit = (owner: string | undefined): Promise<unknown> =>
      batcher.submit(request([1], { model: one, owner })).then(() => order.push(owner ?? '-'));
    const all = Array.from({ length: 6 }, () => submit('a'));
    await turn();
    all.push(submit('b'), submit('b'), submit(undefined));
    for (let run = 0; run < 9; run++) {
      await turn();
      runner.releaseOne();
      await turn();
    }
    await Promise.all(all);
    expect(order.join('')).toBe('ab-abaaaa');
  });

  it('gives models their share of the threads: the backlog of one does not delay another', async () => {
    const runner = new TestRunner({ capacity: 1 });
    const batcher = new MicroBatcher(runner, { maxWaiting: 1000 });
    const of = (id: string): BatchableModel =>
      model({ file: fileOf(id), maxBatchRows: 1, measured: [{ rows: 1, latencyMs: 0.5 }] });
    const order: string[] = [];
    const submit = (id: string): Promise<unknown> =>
      batcher.submit(request([1], { model: of(id) })).then(() => order.push(id));
    const all = Array.from({ length: 50 }, () => submit('busy'));
    await turn();
    await turn();
    all.push(submit('other'), submit('other'), submit('other'));
    await Promise.all(all);
    expect(order.lastIndexOf('other')).toBeLessThan(15);
  });

  it('serves lower priority numbers first', async () => {
    const runner = new TestRunner({ capacity: 1, hold: true });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    const one = model({ maxBatchRows: 1 });
    const order: (number | undefined)[] = [];
    const all = [undefined, undefined, 200, 1, undefined, 1].map((priority) =>
      batcher.submit(request([1], { model: one, priority })).then(() => order.push(priority)),
    );
    for (let run = 0; run < 6; run++) {
      await turn();
      runner.releaseOne();
      await turn();
    }
    await Promise.all(all);
    expect(order).toEqual([1, 1, undefined, undefined, undefined, 200]);
  });
});
