import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { ModelSignature, Tensor } from '@sconce/tensor';
import { eventually, failOnLeaks, fixturePath, temporaryFolder, type FixtureModel } from '@sconce/testing';
import { InferencePool, type RunCall } from '../inference-pool.ts';
import { runtimeConfigSchema } from '../runtime-config.ts';
import type { ModelFile } from '../thread-protocol.ts';
import { SacrificialRunner, type SacrificialRunnerOptions } from './sacrificial-runner.ts';

failOnLeaks();

const MEMORY = { limit: 256 * 1024 ** 2, setting: 'SCONCE_MAX_RUN_MEMORY_BYTES' };
const open: SacrificialRunner[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((runner) => runner.close()));
});

function newRunner(options: Partial<SacrificialRunnerOptions> & { maxRunMs?: number } = {}): SacrificialRunner {
  const config = runtimeConfigSchema.parse({ threads: 1, maxRunMs: options.maxRunMs ?? 20_000 });
  const runner = new SacrificialRunner({ config, memory: MEMORY, ...options });
  open.push(runner);
  return runner;
}

const Y: ModelSignature['outputs'] = [{ name: 'y', datatype: 'FP32', shape: [-1, -1] }];

function fileOf(model: FixtureModel, budget?: ModelFile['budget']): ModelFile {
  const path = fixturePath(model);
  const file = { model, version: '1', key: model, path, sizeBytes: statSync(path).size };
  return budget === undefined ? file : { ...file, budget };
}

function floats(shape: number[], name = 'x'): Tensor {
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i % 7);
  return { name, datatype: 'FP32', shape, data: new Uint8Array(values.buffer) };
}

function integers(name: string, shape: number[], value: bigint): Tensor {
  const values = new BigInt64Array(shape.reduce((a, b) => a * b, 1)).fill(value);
  return { name, datatype: 'INT64', shape, data: new Uint8Array(values.buffer) };
}

const call = (model: FixtureModel, inputs: Tensor[], more: Partial<RunCall> = {}): RunCall => ({
  file: fileOf(model),
  parts: [inputs],
  outputs: Y,
  ...more,
});
const affine = call('affine', [floats([2, 4])]);

async function failureOf(run: Promise<unknown>): Promise<unknown> {
  return run.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('a run in the sacrificial process', () => {
  it('gives the bytes that a thread gives, with padded rows too', async () => {
    const pool = new InferencePool(runtimeConfigSchema.parse({ threads: 1 }));
    try {
      const runner = newRunner();
      const rows = { inputs: new Set(['x']), count: 4 };
      const recurrent = call('recurrent', [floats([3, 5, 3])], { rows });
      for (const one of [affine, recurrent]) {
        const [alone, inThread] = await Promise.all([runner.run(one), pool.run(one)]);
        expect(alone.outputs.map(({ name, shape, data }) => [name, shape, Buffer.from(data)])).toEqual(
          inThread.outputs.map(({ name, shape, data }) => [name, shape, Buffer.from(data)]),
        );
        expect(alone.timing.runEndMs).toBeGreaterThanOrEqual(alone.timing.runStartMs);
      }
      expect(runner.isWarm).toBe(true);
    } finally {
      await pool.close();
    }
  });

  it.each<[string, RunCall]>([
    ['no rows', call('recurrent', [floats([0, 5, 3])])],
    [
      'a mask that selects no row',
      call('masked', [floats([2, 5, 3]), { name: 'mask', datatype: 'BOOL', shape: [2], data: new Uint8Array(2) }]),
    ],
  ])('that native code ends is answered with the signal: %s; the next run has another process', async (_, fatal) => {
    const ended: string[] = [];
    const runner = newRunner({ onEnd: (_, cause) => ended.push(cause) });
    expect(await failureOf(runner.run(fatal))).toMatchObject({
      code: 'run_crashed',
      message: expect.stringMatching(/ended its process \(SIGABRT/) as string,
      details: { ended: 'SIGABRT' },
    });
    expect(ended).toEqual(['SIGABRT']);
    expect((await runner.run(affine)).outputs[0]?.shape).toEqual([2, 4]);
  });

  it('ends at its time limit, the model’s before the instance’s', async () => {
    const runner = newRunner();
    const budget = { run_ms: { limit: 300, setting: 'budget.run_ms in the config of the model' } };
    const endless = call('slow', [integers('steps', [1], 10n ** 13n)], { file: fileOf('slow', budget) });
    const startMs = performance.now();
    expect(await failureOf(runner.run(endless))).toMatchObject({
      code: 'over_budget',
      details: { budget: 'run_ms', limit: 300, setting: budget.run_ms.setting },
    });
    expect(performance.now() - startMs).toBeGreaterThan(300);
    expect((await runner.run(affine)).outputs).toHaveLength(1);
  });

  it('ends at its CPU time, if its model has no other limit', async () => {
    const ended: string[] = [];
    const runner = newRunner({ onEnd: (model, cause) => ended.push(`${model} ${cause}`) });
    const file = { ...fileOf('slow'), aloneMs: 300 };
    expect(await failureOf(runner.run(call('slow', [integers('steps', [1], 10n ** 13n)], { file })))).toMatchObject({
      code: 'over_budget',
      details: { budget: 'run_ms', limit: 300, setting: 'budget.run_ms in the config of the model' },
    });
    expect(ended).toEqual(['slow run_ms']);
    // The next process has started, and a run within the limit ends.
    expect(runner.isWarm).toBe(true);
    expect((await runner.run(call('slow', [integers('steps', [1], 2n)], { file }))).outputs).toHaveLength(1);
  });

  it.runIf(process.platform === 'linux')('ends when it takes more memory than it may', async () => {
    const runner = newRunner();
    // 12,000² products of four bytes: 576 MB.
    const large = call('quadratic', [floats([1, 12_000])]);
    expect(await failureOf(runner.run(large))).toMatchObject({
      code: 'over_budget',
      details: { budget: 'run_memory_bytes', limit: MEMORY.limit, setting: MEMORY.setting },
    });
    // 2,000² products: 16 MB.
    expect((await runner.run(call('quadratic', [floats([1, 2_000])]))).outputs[0]?.shape).toEqual([1, 1]);
  });

  it('passes on what the runtime says about the input, and keeps its process', async () => {
    const runner = newRunner();
    const outside = call('lookup', [integers('index', [1, 1], 99n)]);
    expect(await failureOf(runner.run(outside))).toMatchObject({ code: 'invalid_input' });
    expect(runner.isWarm).toBe(true);
  });
});

describe('the process', () => {
  it('is started with the first run and ended after a quiet time', async () => {
    const runner = newRunner({ quietMs: 50 });
    expect(runner.isWarm).toBe(false);
    await runner.run(affine);
    await eventually(() => expect(runner.isWarm).toBe(false));
    expect((await runner.run(affine)).outputs).toHaveLength(1);
  });

  it('that ends while it loads a model is not blamed on the input', async () => {
    const path = join(temporaryFolder(), 'child.mjs');
    writeFileSync(
      path,
      `process.send({ kind: 'ready' }); process.on('message', ({ kind }) => kind === 'run' && process.abort());`,
    );
    const runner = newRunner({ childModule: pathToFileURL(path) });
    expect(await failureOf(runner.run(affine))).toMatchObject({
      code: 'model_not_ready',
      details: { isUnloadable: true },
    });
  });

  it('ends with its runner, whatever it does', async () => {
    const runner = newRunner();
    const endless = failureOf(runner.run(call('slow', [integers('steps', [1], 10n ** 13n)])));
    await eventually(() => expect(runner.isWarm).toBe(true));
    await runner.close();
    expect(await endless).toMatchObject({ code: 'shutting_down' });
    expect(await failureOf(runner.run(affine))).toMatchObject({ code: 'shutting_down' });
  });
});
