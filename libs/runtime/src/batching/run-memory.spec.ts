import { describe, expect, it } from 'vitest';
import type { RunMemoryLimit } from '@sconce/contracts';
import type { BatchableModel } from './batch-request.ts';
import { MicroBatcher } from './micro-batcher.ts';
import { TestRunner, model, request, rowsOf, valuesOf } from './testing/test-runner.ts';

/** 100 bytes a row. */
const memory = (limit: number): RunMemoryLimit => ({
  need: {
    bytes: 400,
    growth: [{ axes: [{ input: 'x', axis: 0 }], rows: true, size: 4, largest: 8, factor: [0, 1, 0] }],
  },
  limit,
  setting: 'SCONCE_MAX_RUN_MEMORY_BYTES',
});

async function answers(own: BatchableModel, requests: readonly (readonly number[])[]): Promise<readonly number[]> {
  const runner = new TestRunner({ capacity: 1 });
  const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
  const replies = await Promise.all(requests.map((values) => batcher.submit(request(values, { model: own }))));
  expect(replies.map(({ outputs }) => valuesOf(outputs))).toEqual(requests.map((row) => row.map((value) => value + 1)));
  return rowsOf(runner);
}

describe('a model whose runs need memory', () => {
  it('gets no run of several requests, or of one, that needs more than there is', async () => {
    const runs = await answers(model({ memory: memory(399) }), [[1, 2], [3, 4], [5], [1, 2, 3, 4, 5, 6, 7]]);
    expect(Math.max(...runs)).toBe(3);
    expect(runs.reduce((sum, rows) => sum + rows, 0)).toBe(12);
  });

  it('is not limited beyond its own largest run', async () => {
    expect(
      Math.max(
        ...(await answers(model({ memory: memory(1e9) }), [
          [1, 2, 3, 4, 5],
          [1, 2, 3, 4, 5, 6, 7, 8, 9],
        ])),
      ),
    ).toBe(8);
  });

  it.each([
    ['one row is too much', 'dynamic', [1], 99, /needs 100 bytes .*rows|x\[axis 0\] = 1/],
    ['all its rows are too much, and they cannot run apart', 'none', [1, 2, 3], 299, /needs 300 bytes/],
  ] as const)('refuses a request when %s', async (_, axis, values, limit, message) => {
    const batcher = new MicroBatcher(new TestRunner({ capacity: 1 }), { maxWaiting: 100 });
    const own = model({ axis, memory: memory(limit) });
    const refused = batcher.submit(request(values, { model: own }));
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toMatchObject({
      code: 'over_budget',
      details: { budget: 'run_memory_bytes', limit, setting: 'SCONCE_MAX_RUN_MEMORY_BYTES' },
    });
    expect(batcher.waiting).toBe(0);
  });

  it('keeps the runs of a dataset below the limit too', async () => {
    const runner = new TestRunner({ capacity: 1 });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    await batcher.submit(
      request([1, 2, 3, 4, 5, 6], { model: model({ memory: memory(200) }), runRows: 6, lane: 'batch' }),
    );
    expect(rowsOf(runner)).toEqual([2, 2, 2]);
  });
});
