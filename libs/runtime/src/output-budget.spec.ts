import { statSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import type { ModelSignature, Tensor } from '@sconce/tensor';
import { fixturePath, type FixtureModel } from '@sconce/testing';
import type { BatchRunner, BatchableModel } from './batching/batch-request.ts';
import { MicroBatcher } from './batching/micro-batcher.ts';
import { TestRunner, model as modelOf, request, rowsOf, valuesOf } from './batching/testing/test-runner.ts';
import { InferencePool, type RunCall } from './inference-pool.ts';
import { outputRowBytes } from './output-budget.ts';
import { runtimeConfigSchema } from './runtime-config.ts';
import type { ModelFile } from './thread-protocol.ts';

// A request whose outputs have more bytes than its budget gets an error, and nothing is copied for it.

const MIB = 1024 ** 2;
const SETTING = 'SCONCE_MAX_OUTPUT_BYTES';

describe('a thread', () => {
  const pool = new InferencePool(runtimeConfigSchema.parse({ threads: 1 }));
  afterAll(() => pool.close());

  const fileOf = (name: FixtureModel): ModelFile => {
    const path = fixturePath(name);
    return { model: name, version: '1', key: name, path, sizeBytes: statSync(path).size };
  };
  const maxOutput = { limit: MIB, setting: SETTING };
  const count = (elements: number): Tensor => {
    return {
      name: 'count',
      datatype: 'INT64',
      shape: [1],
      data: new Uint8Array(BigInt64Array.of(BigInt(elements)).buffer),
    };
  };

  it('does not copy outputs of more bytes than allowed, and goes on', async () => {
    const outputs: ModelSignature['outputs'] = [{ name: 'y', datatype: 'FP32', shape: [1, -1] }];
    const run = (elements: number): Promise<unknown> =>
      pool.run({ file: fileOf('expand'), parts: [[count(elements)]], outputs, maxOutput });
    await expect(run(MIB / 4 + 1)).rejects.toMatchObject({
      code: 'over_budget',
      message: expect.stringContaining('output y is FP32 [1, 262145]') as string,
      details: { budget: 'output_bytes', limit: MIB, value: MIB + 4, setting: SETTING },
    });
    await expect(run(MIB / 4)).resolves.toMatchObject({ outputs: [{ shape: [1, MIB / 4] }] });
  });

  it('is not asked when the sizes are known before the run', async () => {
    const x: Tensor = { name: 'x', datatype: 'FP32', shape: [5, 1], data: new Uint8Array(20) };
    const outputs: ModelSignature['outputs'] = [{ name: 'y', datatype: 'FP32', shape: [-1, 65_536] }];
    const rows = { inputs: new Set(['x']), count: 5 };
    // The file does not exist: a thread that was asked would say so.
    const file = { ...fileOf('wide'), key: 'nowhere', path: '/nowhere.onnx' };
    const refused = pool.run({ file, parts: [[x]], outputs, rows, maxOutput });
    await expect(refused).rejects.toMatchObject({ code: 'over_budget', details: { value: 5 * 256 * 1024 } });
  });
});

describe('the batcher', () => {
  const wide = (over: Partial<BatchableModel> = {}): BatchableModel =>
    modelOf({ maxOutput: { limit: 16, setting: SETTING }, ...over });

  it('refuses a request whose outputs are known to be too large, and runs nothing', async () => {
    const runner = new TestRunner({ capacity: 1 });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    const model = wide({ outputRowBytes: 4 });
    await expect(batcher.submit(request([1, 2, 3, 4, 5], { model }))).rejects.toMatchObject({
      code: 'over_budget',
      details: { limit: 16, value: 20 },
    });
    expect(runner.calls).toEqual([]);
    expect(valuesOf((await batcher.submit(request([1, 2, 3, 4], { model }))).outputs)).toEqual([2, 3, 4, 5]);
  });

  it('counts the outputs of a request over its runs', async () => {
    const runner = new TestRunner({ capacity: 1 });
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    const answer = batcher.submit(request([1, 2, 3, 4, 5, 6], { model: wide({ maxBatchRows: 2 }) }));
    await expect(answer).rejects.toMatchObject({ code: 'over_budget', details: { limit: 16, value: 24 } });
  });

  it('does not count the rows of a dataset together: their runs are checked', async () => {
    const batcher = new MicroBatcher(new TestRunner({ capacity: 1 }), { maxWaiting: 100 });
    const model = wide({ maxBatchRows: 2, outputRowBytes: 4 });
    const { outputs } = await batcher.submit(request([1, 2, 3, 4, 5, 6], { model, runRows: 2, lane: 'batch' }));
    expect(valuesOf(outputs)).toEqual([2, 3, 4, 5, 6, 7]);
  });

  it('runs requests alone whose outputs are too large together', async () => {
    const inner = new TestRunner({ capacity: 1 });
    const calls: RunCall[] = [];
    const runner: BatchRunner = {
      threads: 1,
      capacity: 1,
      run: (call) => {
        calls.push(call);
        if ((call.rows?.count ?? 0) > 2) return Promise.reject(new SconceError('over_budget', 'too large'));
        return inner.run(call);
      },
    };
    const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
    const model = wide();
    const large = batcher.submit(request([1, 2, 3], { model })).catch((error: unknown) => error);
    const small = [batcher.submit(request([4], { model })), batcher.submit(request([5, 6], { model }))];
    expect((await Promise.all(small)).map(({ outputs }) => valuesOf(outputs))).toEqual([[5], [6, 7]]);
    expect(await large).toMatchObject({ code: 'over_budget' });
    expect(calls.every(({ maxOutput }) => maxOutput === model.maxOutput)).toBe(true);
    expect(rowsOf(inner)).toEqual([1, 2]);
  });
});

it('counts the bytes of a row that the signature says', () => {
  const spec = (shape: number[], datatype: 'FP32' | 'BYTES' = 'FP32') => ({ name: 'y', datatype, shape });
  expect(outputRowBytes([spec([-1, 3, 2]), spec([-1, -1]), spec([-1, 2], 'BYTES'), spec([])])).toBe(24);
});
