import { statSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import type { Tensor } from '@sconce/tensor';
import { eventually, fixturePath, type FixtureModel } from '@sconce/testing';
import { InferencePool, type RunCall } from './inference-pool.ts';
import { runtimeConfigSchema } from './runtime-config.ts';

/** Steps of native work that take long enough for another thread to start, on this machine. */
let longSteps = 0;
const LONG_MS = 1_500;
const SAMPLE = 2_000;

function call(model: FixtureModel, input: Tensor, more: Partial<RunCall> = {}): RunCall {
  const path = fixturePath(model);
  const file = { model, version: '1', key: model, path, sizeBytes: statSync(path).size };
  return { file, parts: [[input]], outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }], ...more };
}
const steps = (count: number): Tensor => ({
  name: 'steps',
  datatype: 'INT64',
  shape: [1],
  data: new Uint8Array(BigInt64Array.of(BigInt(count)).buffer),
});
const affine = call('affine', { name: 'x', datatype: 'FP32', shape: [1, 4], data: new Uint8Array(16) });

beforeAll(async () => {
  const pool = new InferencePool(runtimeConfigSchema.parse({ threads: 1 }));
  const { runStartMs, runEndMs } = (await pool.run(call('slow', steps(SAMPLE)))).timing;
  longSteps = Math.ceil((SAMPLE * LONG_MS) / (runEndMs - runStartMs));
  await pool.close();
});

it('another thread takes the place of a thread whose run is abandoned, and the calls that wait in it', async () => {
  const pool = new InferencePool(runtimeConfigSchema.parse({ threads: 1 }));
  await pool.load(call('slow', steps(1)).file);
  let looks = 0;
  const order: string[] = [];
  const long = pool.run(call('slow', steps(longSteps), { overdueMs: 1, onOverdue: () => ++looks > 0 }));
  const ended = long.then(({ outputs }) => order.push(`long ${outputs[0]?.shape.join()}`));
  const behind = pool.run(affine).then(() => order.push('behind'));
  await behind;
  expect(pool.isStuck).toBe(true);
  await pool.run(affine).then(() => order.push('later'));
  await ended;
  // The run ended after all, and its thread is one of the pool again.
  expect(order).toEqual(['behind', 'later', 'long 1']);
  expect(looks).toBe(1);
  await eventually(() => expect(pool.isStuck).toBe(false));
  await pool.close();
});

it('a pool has at most as many stuck threads as threads: then runs are waited for, however long they take', async () => {
  const pool = new InferencePool(runtimeConfigSchema.parse({ threads: 1 }));
  let looks = 0;
  const onOverdue = (): boolean => ++looks > 0;
  await pool.load(call('slow', steps(1)).file);
  const first = pool.run(call('slow', steps(4 * longSteps), { overdueMs: 1, onOverdue }));
  await eventually(() => expect(pool.isStuck).toBe(true));
  await pool.run(call('slow', steps(1)));
  await pool.run(call('slow', steps(longSteps), { overdueMs: 1, onOverdue }));
  expect(looks).toBe(1);
  await first;
  await pool.close();
});

it('does not wait for an abandoned run when it closes', async () => {
  const pool = new InferencePool(runtimeConfigSchema.parse({ threads: 1 }));
  await pool.load(call('slow', steps(1)).file);
  let isOver = false;
  const long = pool.run(call('slow', steps(longSteps), { overdueMs: 1, onOverdue: () => true }));
  const ended = long.then(() => (isOver = true));
  await eventually(() => expect(pool.isStuck).toBe(true));
  await pool.close();
  expect(isOver).toBe(false);
  await ended;
});
