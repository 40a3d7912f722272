import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { byteLength, encodeBytes, encodeSafetensors, type ModelSignature, type Tensor } from '@sconce/tensor';
import { eventually, fixturePath, temporaryFolder, type FixtureModel } from '@sconce/testing';
import { InferencePool } from './inference-pool.ts';
import { runtimeConfigSchema } from './runtime-config.ts';
import type { ModelFile } from './thread-protocol.ts';

const named = (model: string): Pick<ModelFile, 'model' | 'version' | 'key'> => ({ model, version: '1', key: model });

function fixture(name: FixtureModel): ModelFile {
  const path = fixturePath(name);
  return { ...named(name), path, sizeBytes: statSync(path).size };
}

function floats(name: string, rows: number[][]): Tensor {
  const data = new Uint8Array(new Float32Array(rows.flat()).buffer);
  return { name, datatype: 'FP32', shape: [rows.length, rows[0]?.length ?? 0], data };
}

const numbers = (tensor: Tensor | undefined): number[] => [...new Float32Array(tensor!.data.slice().buffer)];

const newPool = (threads: number) => new InferencePool(runtimeConfigSchema.parse({ threads }));

describe('InferencePool', () => {
  let pool: InferencePool;
  const signatures = new Map<FixtureModel, ModelSignature>();
  beforeAll(async () => {
    pool = newPool(2);
    for (const name of ['affine', 'simple', 'row-mixing', 'lookup', 'every-type', 'nonzero'] as const) {
      signatures.set(name, await pool.inspect(fixture(name)));
    }
  });
  afterAll(() => pool.close());

  it('joins the parts of a call row by row', async () => {
    const { outputs, timing } = await pool.run({
      file: fixture('affine'),
      parts: [
        [floats('x', [[0, 1, 2, 3]])],
        [
          floats('x', [
            [4, 5, 6, 7],
            [8, 9, 10, 11],
          ]),
        ],
      ],
      outputs: signatures.get('affine')!.outputs,
      rows: { inputs: new Set(['x']), count: 3 },
    });
    expect(outputs[0]).toMatchObject({ name: 'y', datatype: 'FP32', shape: [3, 4] });
    expect(numbers(outputs[0])).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23]);
    expect(timing.runEndMs).toBeGreaterThanOrEqual(timing.runStartMs);
    expect(Math.abs(timing.runStartMs - Date.now())).toBeLessThan(10_000);
  });

  it.runIf(process.platform === 'linux')('runs a model with its own number of ONNX Runtime threads', async () => {
    const threads = (): number => readdirSync('/proc/self/task').length;
    const run = async (file: ModelFile): Promise<unknown> =>
      pool.run({
        file,
        parts: [[floats('x', [[0, 1, 2, 3]])]],
        outputs: signatures.get('affine')!.outputs,
        rows: { inputs: new Set(['x']), count: 1 },
      });
    await run(fixture('affine'));
    const before = threads();
    await run({ ...fixture('affine'), key: 'alone', intraOpThreads: 1 });
    expect(threads() - before).toBeLessThan(4);
    await run({ ...fixture('affine'), key: 'spread', intraOpThreads: 9 });
    expect(threads() - before).toBeGreaterThanOrEqual(8);
    for (const id of ['alone', 'spread']) pool.unload(id);
  });

  it('keeps concurrent calls apart', async () => {
    const calls = Array.from({ length: 100 }, async (_, index) => {
      const { outputs } = await pool.run({
        file: fixture('affine'),
        parts: [[floats('x', [[index, 0, 0, 0]])]],
        outputs: signatures.get('affine')!.outputs,
        rows: { inputs: new Set(['x']), count: 1 },
      });
      return numbers(outputs[0])[0];
    });
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 100 }, (_, index) => 2 * index + 1));
  });

  it('returns outputs whose size is known only after the run', async () => {
    const x: Tensor = { name: 'x', datatype: 'FP32', shape: [4], data: floats('x', [[0, 5, 0, 7]]).data };
    const { outputs } = await pool.run({
      file: fixture('nonzero'),
      parts: [[x]],
      outputs: signatures.get('nonzero')!.outputs,
    });
    expect(outputs[0]?.shape).toEqual([1, 2]);
    expect([...new BigInt64Array(outputs[0]!.data.slice().buffer)]).toEqual([1n, 3n]);
  });

  it('merges BYTES of several parts', async () => {
    const signature = signatures.get('every-type')!;
    const part = (texts: string[]): Tensor[] =>
      signature.inputs.map(({ name, datatype }) => ({
        name,
        datatype,
        shape: [1, 2],
        data: datatype === 'BYTES' ? encodeBytes(texts) : new Uint8Array(byteLength(datatype, [1, 2])),
      }));
    const { outputs } = await pool.run({
      file: fixture('every-type'),
      parts: [part(['a', 'bb']), part(['', 'é'])],
      outputs: signature.outputs,
      rows: { inputs: new Set(signature.inputs.map(({ name }) => name)), count: 2 },
    });
    const strings = outputs.find((output) => output.datatype === 'BYTES')!;
    expect(strings.shape).toEqual([2, 2]);
    expect(Buffer.from(strings.data)).toEqual(Buffer.from(encodeBytes(['a', 'bb', '', 'é'])));
  });

  it('reports a broken file with its error code, and serves other calls', async () => {
    const path = join(temporaryFolder(), 'broken.onnx');
    writeFileSync(path, 'nothing like a model');
    await expect(pool.inspect({ ...named('broken'), path, sizeBytes: 20 })).rejects.toMatchObject({
      code: 'model_invalid',
    });
    await expect(pool.inspect(fixture('affine'))).resolves.toBeDefined();
  });

  it('keeps a model loaded until it is unloaded', async () => {
    const own = newPool(1);
    const loadMs = async (): Promise<number> => {
      const outputs = signatures.get('affine')!.outputs;
      const parts = [[floats('x', [[0, 0, 0, 0]])]];
      return (await own.run({ file: fixture('affine'), parts, outputs })).timing.loadMs;
    };
    expect(await loadMs()).toBeGreaterThan(0);
    expect(await loadMs()).toBe(0);
    own.unload('affine');
    await expect.poll(loadMs).toBeGreaterThan(0);
    await own.close();
  });

  it('fills up a run with its last row, and passes a shared input once', async () => {
    const rows = { inputs: new Set(['x']), count: 4 };
    const parts = [[floats('x', [[0, 1, 2, 3]])], [floats('x', [[4, 5, 6, 7]])]];
    const { outputs } = await pool.run({
      file: fixture('affine'),
      parts,
      outputs: signatures.get('affine')!.outputs,
      rows,
    });
    expect(outputs[0]?.shape).toEqual([4, 4]);
    expect(numbers(outputs[0])).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 9, 11, 13, 15, 9, 11, 13, 15]);
  });

  describe('a model whose files changed since it was proved', () => {
    const digestOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
    const copy = (): string => {
      const path = join(temporaryFolder(), 'model.onnx');
      copyFileSync(fixturePath('affine'), path);
      return path;
    };
    const run = (own: InferencePool, file: ModelFile): Promise<unknown> =>
      own.run({ file, parts: [[floats('x', [[0, 0, 0, 0]])]], outputs: signatures.get('affine')!.outputs });

    it('is loaded only after the files were repaired', async () => {
      const path = copy();
      const file = { ...named(path), path, sizeBytes: 1, digests: [{ path, sha256: digestOf(path) }] };
      const whole = readFileSync(path);
      writeFileSync(path, Buffer.concat([whole, Buffer.from([0])]));
      await expect(run(pool, file)).rejects.toMatchObject({ code: 'model_corrupt', message: /has changed/ });
      rmSync(path);
      await expect(run(pool, file)).rejects.toMatchObject({ code: 'model_not_found', message: /is gone/ });
      writeFileSync(path, whole);
      await run(pool, file);
    });

    it.each([
      ['gives what it gave', 1, undefined],
      ['gives something else', 1.02, /off by .* of its magnitude/],
    ])('%s in its check call', async (_, factor, message) => {
      const path = copy();
      const check = join(temporaryFolder(), 'check.safetensors');
      const expected = floats('0.out.0', [[1, 3, 5, 7].map((value) => value * factor)]);
      writeFileSync(check, encodeSafetensors([floats('0.in.0', [[0, 1, 2, 3]]), expected]));
      const ran = run(pool, { ...named(check), path, sizeBytes: 1, check });
      if (message === undefined) await ran;
      else await expect(ran).rejects.toMatchObject({ code: 'model_corrupt', message });
    });
  });

  const steps: Tensor = {
    name: 'steps',
    datatype: 'INT64',
    shape: [1],
    data: new Uint8Array(new BigInt64Array([2_000n]).buffer),
  };

  it('starts another thread only when none is idle', async () => {
    const own = newPool(2);
    const { outputs } = await own.inspect(fixture('slow'));
    const run = async (): Promise<number> =>
      (await own.run({ file: fixture('slow'), parts: [[steps]], outputs })).timing.threadId;
    expect(new Set([await run(), await run(), await run()]).size).toBe(1);
    await eventually(
      async () => {
        expect(new Set(await Promise.all([run(), run(), run()])).size).toBe(2);
      },
      { timeoutMs: 15_000 },
    );
    await own.close();
  });

  it('closes after the calls in flight have ended, and refuses new calls', async () => {
    const own = newPool(1);
    const signature = await own.inspect(fixture('slow'));
    const running = own.run({ file: fixture('slow'), parts: [[steps]], outputs: signature.outputs });
    const closed = own.close();
    await expect(own.inspect(fixture('affine'))).rejects.toMatchObject({ code: 'shutting_down' });
    expect((await running).outputs[0]?.shape).toEqual([1]);
    await closed;
  });
});
