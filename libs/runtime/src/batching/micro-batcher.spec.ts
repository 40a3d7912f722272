import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SconceError } from '@sconce/errors';
import { type Tensor } from '@sconce/tensor';
import type { BatchableModel } from './batch-request.ts';
import type { RunResult } from '../inference-pool.ts';
import { MicroBatcher } from './micro-batcher.ts';
import { POISON, TestRunner, fileOf, model, request, rowsOf, tensor, turn, valuesOf } from './testing/test-runner.ts';

describe('MicroBatcher', () => {
  it('estimates how long its threads need for all work', async () => {
    const runner = new TestRunner({ capacity: 2, hold: true });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    expect(batcher.backlogMs).toBe(0);
    const measured = [1, 2, 4, 8].map((rows) => ({ rows, latencyMs: 1_000 * rows }));
    const slow = model({ measured });
    const alone = model({ file: fileOf('n'), axis: 'none', measured });
    const replies = [
      ...Array.from({ length: 11 }, () => batcher.submit(request([1, 2], { model: slow }))),
      ...Array.from({ length: 3 }, () => batcher.submit(request([1, 2], { model: alone }))),
    ];
    // 22 rows in runs of 8 and 6, and three runs of 2: 28 s of work for two threads, waiting or running.
    expect(batcher.backlogMs).toBeCloseTo(14_000, -3.5);
    await new Promise((resolve) => setImmediate(resolve));
    expect(runner.calls).toHaveLength(2);
    expect(batcher.backlogMs).toBeCloseTo(14_000, -3.5);
    for (let n = 0; n < 40; n++) {
      runner.releaseOne();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(replies);
    expect(batcher.backlogMs).toBe(0);
  });

  it('answers every row of every request once and in order, for any arrivals and failures (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            rows: fc.array(fc.integer({ min: 0, max: 999 }), { minLength: 0, maxLength: 30 }),
            poisoned: fc.boolean(),
            cancelled: fc.boolean(),
            axis: fc.constantFrom('dynamic', 'locked', 'none'),
            scale: fc.integer({ min: 1, max: 2 }),
            lane: fc.constantFrom('online', 'batch'),
            priority: fc.constantFrom(undefined, 1, 200),
            pause: fc.boolean(),
          }),
          { maxLength: 30 },
        ),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 2 }),
        fc.constantFrom(0, 5),
        async (arrivals, threads, tasks, latencyMs) => {
          const runner = new TestRunner({ threads, capacity: threads * tasks });
          const batcher = new MicroBatcher(runner, { maxWaiting: 10_000 });
          const outcomes: Promise<void>[] = [];
          for (const { rows, poisoned, cancelled, axis, scale, lane, priority, pause } of arrivals) {
            const abort = new AbortController();
            const values = poisoned ? [...rows, POISON] : rows;
            const reply = batcher.submit(
              request(values, {
                lane,
                priority,
                signal: abort.signal,
                inputs: [tensor(values), { ...tensor([scale], 'scale'), shape: [1] }],
                model: model({ axis, file: fileOf(axis), measured: [{ rows: 1, latencyMs }] }),
              }),
            );
            if (cancelled) abort.abort();
            outcomes.push(
              reply.then(
                ({ outputs }) => {
                  expect(poisoned).toBe(false);
                  expect(valuesOf(outputs)).toEqual(values.map((value) => value + 1));
                },
                (error: SconceError) => {
                  const allowed = [
                    poisoned && 'inference_failed',
                    cancelled && 'job_cancelled',
                    axis === 'locked' && values.length === 0 && 'invalid_tensor',
                  ];
                  expect(allowed).toContain(error.code);
                },
              ),
            );
            if (pause) await turn();
          }
          await Promise.all(outcomes);
          // A cut request settles with its first failing piece. The runs of its other pieces end later.
          for (let turns = 0; turns < 20 && batcher.running > 0; turns += 1) await turn();
          expect([batcher.waiting, batcher.running]).toEqual([0, 0]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('merges requests that wait while the threads are busy, up to maxBatchRows, and no others', async () => {
    const runner = new TestRunner({ capacity: 1, hold: true });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    const first = batcher.submit(request([1]));
    await turn();
    const replies = [
      first,
      ...[
        [2, 3],
        [4, 5, 6],
        [7, 8, 9, 10],
      ].map((values) => batcher.submit(request(values))),
    ];
    for (let run = 0; run < 3; run += 1) {
      runner.releaseOne();
      await turn();
      await turn();
    }
    const settled = await Promise.all(replies);
    // The first ran at once and alone; two and three rows fit together in 8, four more do not.
    expect(runner.calls.map((call) => call.parts.length)).toEqual([1, 2, 1]);
    expect(settled[1]?.runs[0]).toMatchObject({ batchRows: 5, batchRequests: 2 });
  });

  it('never merges requests of a model whose rows are not independent', async () => {
    const runner = new TestRunner({ capacity: 1 });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    await Promise.all([[1], [2], [3]].map((row) => batcher.submit(request(row, { model: model({ axis: 'none' }) }))));
    expect(runner.calls.every((call) => call.parts.length === 1 && call.rows === undefined)).toBe(true);
  });

  it('fills up the runs of a locked model, and drops the results of the added rows', async () => {
    const runner = new TestRunner({ capacity: 1, hold: true });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    const locked = model({ axis: 'locked', maxBatchRows: 2 });
    const replies = [[1], [2, 3, 4], [5]].map((values) => batcher.submit(request(values, { model: locked })));
    for (let run = 0; run < 5; run++) {
      await turn();
      runner.releaseOne();
    }
    expect((await Promise.all(replies)).map(({ outputs }) => valuesOf(outputs))).toEqual([[2], [3, 4, 5], [6]]);
    expect(runner.calls.map(({ rows }) => rows?.count)).toEqual([2, 2, 2]);
    await expect(batcher.submit(request([], { model: locked }))).rejects.toMatchObject({ code: 'invalid_tensor' });
  });

  it('answers with outputs of rank 0', async () => {
    const total: Tensor = { name: 'y', datatype: 'FP32', shape: [], data: new Uint8Array(4) };
    const timing = { threadId: 1, runStartMs: 0, runEndMs: 0, loadMs: 0 };
    const runner = { threads: 1, capacity: 1, run: () => Promise.resolve({ outputs: [total], timing }) };
    const batcher = new MicroBatcher(runner, { maxWaiting: 10 });
    const { outputs } = await batcher.submit(request([1, 2], { model: model({ axis: 'none' }) }));
    expect(outputs).toEqual([total]);
  });

  it('keeps different inner shapes apart', async () => {
    const runner = new TestRunner({ capacity: 1, hold: true });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    const wide: Tensor = { ...tensor([1, 2]), shape: [1, 2] };
    const settled = Promise.allSettled([
      batcher.submit(request([0])),
      batcher.submit({ ...request([]), inputs: [wide] }),
      batcher.submit(request([1])),
    ]);
    for (let run = 0; run < 3; run += 1) {
      await turn();
      runner.releaseOne();
      await turn();
      await turn();
    }
    await settled;
    expect(runner.calls.map((call) => call.parts.map((part) => part[0]?.shape))).toEqual([
      [
        [1, 1],
        [1, 1],
      ],
      [[1, 2]],
    ]);
  });

  it('serves online before batch', async () => {
    const runner = new TestRunner({ capacity: 1, hold: true });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    const first = batcher.submit(request([0], { lane: 'batch' }));
    await turn();
    const bulk = batcher.submit(request([1], { lane: 'batch', model: model({ maxBatchRows: 1 }) }));
    const online = batcher.submit(request([2]));
    const order: string[] = [];
    void bulk.then(() => order.push('bulk'));
    void online.then(() => order.push('online'));
    for (let run = 0; run < 3; run += 1) {
      runner.releaseOne();
      await turn();
      await turn();
    }
    await Promise.all([first, bulk, online]);
    expect(order).toEqual(['online', 'bulk']);
  });

  it('does not run requests past their deadline, and refuses more requests than it may hold', async () => {
    const runner = new TestRunner({ capacity: 1, hold: true });
    const batcher = new MicroBatcher(runner, { maxWaiting: 1 });
    const running = batcher.submit(request([0]));
    await turn();
    const late = batcher.submit(request([1], { deadlineMs: Date.now() - 1 }));
    await expect(batcher.submit(request([2]))).rejects.toMatchObject({ code: 'queue_full' });
    runner.releaseOne();
    await running;
    await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(runner.calls).toHaveLength(1);
  });

  it('fails a run that lost rows instead of answering with wrong rows', async () => {
    const runner = {
      threads: 1,
      capacity: 1,
      run: async (): Promise<RunResult> => ({
        outputs: [tensor([1], 'y')],
        timing: { threadId: 1, runStartMs: 0, runEndMs: 0, loadMs: 0 },
      }),
    };
    const batcher = new MicroBatcher(runner, { maxWaiting: 10 });
    await expect(batcher.submit(request([1, 2]))).rejects.toMatchObject({ code: 'inference_failed' });
  });

  it('spreads the rows of long runs over idle threads, and keeps rows of short runs together', async () => {
    for (const [latencyMs, runs] of [
      [0.1, [6]],
      [5, [3, 3]],
    ] as const) {
      const runner = new TestRunner({ capacity: 4, threads: 2 });
      const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
      const measured = [{ rows: 8, latencyMs }];
      const { outputs } = await batcher.submit(request([1, 2, 3, 4, 5, 6], { model: model({ measured }) }));
      expect(valuesOf(outputs)).toEqual([2, 3, 4, 5, 6, 7]);
      expect(rowsOf(runner)).toEqual(runs);
    }
  });

  it('holds runs while the threads are busy for long, also full ones, and not longer than the model’s delay', async () => {
    const runner = new TestRunner({ capacity: 2, threads: 1, hold: true });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    const slow = { maxBatchRows: 4, measured: [1, 2, 4].map((rows) => ({ rows, latencyMs: 60_000 })) };
    const submit = (values: readonly number[], over: Partial<BatchableModel> = {}): Promise<unknown> =>
      batcher.submit(request(values, { model: model({ ...slow, ...over }) }));
    const first = submit([1]);
    await turn();
    const held = submit([2]);
    const full = submit([3, 4, 5]);
    await turn();
    expect(rowsOf(runner)).toEqual([1]);
    runner.releaseOne();
    await first;
    await turn();
    expect(rowsOf(runner)).toEqual([1, 4]);
    const delayed = submit([6], { maxQueueDelayMs: 20, file: fileOf('impatient') });
    await turn();
    expect(rowsOf(runner)).toEqual([1, 4]);
    await expect.poll(() => rowsOf(runner)).toEqual([1, 4, 1]);
    runner.releaseOne();
    runner.releaseOne();
    await Promise.all([held, full, delayed]);
  });

  it('refuses a request at once if it cannot be answered in time', async () => {
    const runner = new TestRunner({ capacity: 1 });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    const slow = model({ measured: [{ rows: 1, latencyMs: 60_000 }] });
    await expect(batcher.submit(request([1], { model: slow, deadlineMs: Date.now() + 5_000 }))).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: expect.stringMatching(/takes about 60000 ms/) as string,
    });
    expect(runner.calls).toEqual([]);
    // The measured time may be wrong: after some refusals the request runs.
    const answers = await Promise.allSettled(
      Array.from({ length: 30 }, () => batcher.submit(request([1], { model: slow, deadlineMs: Date.now() + 5_000 }))),
    );
    expect(answers.at(-1)).toMatchObject({ status: 'fulfilled' });
  });
});
