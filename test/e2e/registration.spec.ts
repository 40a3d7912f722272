import { chmodSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SconceClient, type ModelVersion } from '@sconce/client';
import {
  bindCall,
  casesOf,
  decodeSafetensors,
  encodeSafetensors,
  sliceRows,
  viewOf,
  type CallCase,
  type Tensor,
} from '@sconce/tensor';
import { fixturePath } from '@sconce/testing';
import { archivePath } from '../conformance/cases.ts';
import { startStack, type Stack } from '../support/stack.ts';

// From a file that PyTorch wrote to a served model, against the built system.

let stack: Stack;
let client: SconceClient;
beforeAll(async () => {
  stack = await startStack();
  client = new SconceClient({ url: stack.url });
});

const bytesOf = (path: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(path));
const casesPath = (archive: string): string => archive.replace(/\.pt$/, '.safetensors');
const casesIn = (archive: string): CallCase[] => casesOf(decodeSafetensors(bytesOf(casesPath(archive))));

async function push(
  name: string,
  archive: string,
  options: Parameters<SconceClient['models']['push']>[2] = {},
): Promise<ModelVersion> {
  const { version } = await client.models.push(name, bytesOf(archive), options);
  return client.models.waitUntilReady(name, version);
}

const numbers = (tensor: Tensor): number[] => Array.from(viewOf(tensor as Tensor & { datatype: 'FP32' }), Number);

function expectClose(got: readonly Tensor[], want: readonly Tensor[]): void {
  expect(got.map(({ shape }) => shape)).toEqual(want.map(({ shape }) => shape));
  for (const [i, tensor] of want.entries()) {
    const most = Math.max(...numbers(tensor).map(Math.abs), 1e-6);
    const off = numbers(got[i] as Tensor).map((value, j) => Math.abs(value - (numbers(tensor)[j] ?? NaN)));
    expect(Math.max(...off) / most).toBeLessThan(2e-4);
  }
}

const infer = async (model: ModelVersion, tensors: readonly Tensor[]): Promise<readonly Tensor[]> => {
  const inputs = bindCall({ tensors, byName: false }, model.signature?.inputs ?? []);
  return (await client.infer(model.name, { inputs, binary: true })).outputs;
};

describe('a TorchScript archive', () => {
  it.each<[family: string, name: string, axis: string]>([
    ['attention', 'encoder_script', 'dynamic'],
    ['control', 'early_return', 'none'],
    ['families_own', 'speech_script', 'dynamic'],
    ['recurrent', 'classifier', 'dynamic'],
    ['signature', 'batch_locked', 'locked:2'],
    ['signature', 'rows_mixed', 'none'],
  ])('%s/%s is served with PyTorch’s numbers, its rows found %s', async (family, name, axis) => {
    const archive = archivePath(family, name);
    const model = await push(name, archive, { cases: bytesOf(casesPath(archive)) });
    const { batch } = model;
    expect(batch?.axis === 'locked' ? `locked:${batch.size}` : batch?.axis).toBe(axis);
    expect(model.parity).toMatchObject({ ok: true, calls: casesIn(archive).length });
    expect(model.performance?.batch_sizes.length).toBeGreaterThan(0);
    expect(model.optimised?.size_bytes).toBeGreaterThan(0);
    const calls = casesIn(archive);
    // Many requests at the same time, repeated: a merged request gets the same outputs as a request alone.
    const answers = await Promise.all([...calls, ...calls, ...calls].map(({ inputs }) => infer(model, inputs)));
    for (const [i, answer] of answers.entries()) expectClose(answer, calls[i % calls.length]?.outputs ?? []);
  });

  it('with a fixed batch size in its graph is served with any number of rows', async () => {
    const archive = archivePath('signature', 'batch_locked');
    const model = await push('locked', archive);
    expect(model.batch).toMatchObject({
      axis: 'locked',
      size: 2,
      evidence: expect.stringMatching(/only 2 rows run/) as string,
      source: expect.stringMatching(/signature\.py:\d+/) as string,
    });
    expect(model.signature?.inputs[0]?.shape[0]).toBe(-1);
    const [pair] = casesIn(archive);
    const [x] = pair?.inputs ?? [];
    const [y] = pair?.outputs ?? [];
    if (x === undefined || y === undefined) throw new Error('no case');
    for (const rows of [1, 2, 3, 7]) {
      const order = Array.from({ length: rows }, (_, i) => i % 2);
      const pick = (tensor: Tensor): Tensor => ({
        ...tensor,
        shape: [rows, ...tensor.shape.slice(1)],
        data: new Uint8Array(Buffer.concat(order.map((row) => sliceRows(tensor, row, row + 1).data))),
      });
      expectClose(await infer(model, [pick(x)]), [pick(y)]);
    }
    const config = (await (await stack.fetch('/v2/models/locked/config')).json()) as { max_batch_size: number };
    expect(config.max_batch_size).toBeGreaterThan(0);
    await expect(
      infer(model, [{ ...x, shape: [0, ...x.shape.slice(1)], data: new Uint8Array() }]),
    ).rejects.toMatchObject({
      message: expect.stringMatching(/no rows/) as string,
    });
  });

  it('takes its signature from the config if the file does not have it', async () => {
    const archive = archivePath('families_own', 'graph_script');
    await expect(push('graph', archive)).rejects.toMatchObject({
      message: expect.stringMatching(/no inputs were found.*"x".*"input"/s) as string,
    });
    const [one] = casesIn(archive);
    const input = bindCall({ tensors: one?.inputs ?? [], byName: false }, (await describeInputs(archive)) ?? []).map(
      ({ name, shape }) => ({ name, data_type: 'TYPE_FP32' as const, dims: [...shape] }),
    );
    const model = await push('graph', archive, { config: { input } });
    // As in the config, except the axis of rows, which was found to be free.
    expect(model.signature?.inputs.map(({ shape }) => shape)).toEqual(input.map(({ dims }) => [-1, ...dims.slice(1)]));
    expectClose(await infer(model, one?.inputs ?? []), one?.outputs ?? []);
  });

  it('fails if its outputs differ from those of its cases, and passes with a larger tolerance', async () => {
    const archive = archivePath('recurrent', 'classifier');
    const [one] = casesIn(archive);
    const off = (one?.outputs ?? []).map((tensor, i) => {
      const values = Float32Array.from(numbers(tensor), (value) => value * 1.01);
      return { ...tensor, name: `0.out.${i}`, data: new Uint8Array(values.buffer) };
    });
    const cases = new Uint8Array(
      encodeSafetensors([...(one?.inputs ?? []).map((tensor, i) => ({ ...tensor, name: `0.in.${i}` })), ...off]),
    );
    await expect(push('off', archive, { cases })).rejects.toMatchObject({
      message: expect.stringMatching(/does not give the outputs of its cases.*--tolerance/) as string,
    });
    expect(await client.models.get('off', '1')).toMatchObject({
      status: 'failed',
      error: { code: 'parity_failed' },
      parity: { ok: false, outputs: [{ ok: false, max_abs: expect.any(Number) as number }] },
    });
    const tolerance = { rtol: 0.02, atol: 1e-3 };
    expect(await push('off', archive, { cases, config: { tolerance } })).toMatchObject({
      parity: { ok: true, ...tolerance },
    });
  });

  it.each<[what: string, config: object, message: RegExp]>([
    [
      'an input that is not there',
      { input: [{ name: 'z', data_type: 'TYPE_FP32', dims: [-1, 3] }] },
      /"z".*does not have.*takes/,
    ],
    ['an argument that is not there', { arguments: { depth: 3 } }, /"depth".*does not have/],
    ['a batch size for rows that mix', { max_batch_size: 8 }, /rows influence each other|data of all rows/],
  ])('is refused with a config that says %s', async (_, config, message) => {
    const archive = archivePath('signature', 'rows_mixed');
    await expect(push('refused', archive, { config })).rejects.toMatchObject({
      message: expect.stringMatching(message) as string,
    });
  });
});

/** The inputs of a model that was pushed with cases. */
async function describeInputs(archive: string): Promise<NonNullable<ModelVersion['signature']>['inputs'] | undefined> {
  return (await push('described', archive, { cases: bytesOf(casesPath(archive)) })).signature?.inputs;
}

describe('the saved form of a model', () => {
  const filesBeneath = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));

  it('is compared with its digest by each worker that loads it, and made again for another kind of machine', async () => {
    const archive = archivePath('recurrent', 'classifier');
    const model = await push('kept', archive);
    const [one] = casesIn(archive);
    const folder = join(stack.data, 'models/kept');
    const forms = (): string[] => filesBeneath(folder).filter((path) => path.includes('/forms/'));
    const [graph = ''] = forms().filter((path) => path.endsWith('model.onnx'));
    const whole = readFileSync(graph);
    // The test changes the file itself: the product never writes into an existing file.
    chmodSync(graph, 0o600);
    writeFileSync(graph, Buffer.concat([whole, Buffer.from([0])]));
    await expect(infer(model, one?.inputs ?? [])).rejects.toMatchObject({
      message: expect.stringMatching(/has changed since it was proved/) as string,
    });
    for (const path of forms()) rmSync(path);
    await stack.workers[0]?.stop();
    await stack.startWorker();
    expectClose(await infer(model, one?.inputs ?? []), one?.outputs ?? []);
    await expect.poll(() => forms().filter((path) => path.endsWith('form.json')).length, { timeout: 20_000 }).toBe(1);
    await expect
      .poll(async () => expectClose(await infer(model, one?.inputs ?? []), one?.outputs ?? []), { timeout: 10_000 })
      .toBeUndefined();
  });
});

describe('a model that needs too much memory or time', () => {
  it.each([
    ['memory', { SCONCE_REGISTRATION_MEMORY_BYTES: String(20 * 1024 ** 2) }, /took more than 20 MiB of memory/],
    ['time', { SCONCE_REGISTRATION_TIMEOUT_MS: '100' }, /took more than 0\.1 s/],
  ])('(%s) fails to register with that reason, and nothing else is touched', async (_, env, message) => {
    const own = await startStack({ env });
    const ours = new SconceClient({ url: own.url });
    const { version } = await ours.models.push('greedy', bytesOf(fixturePath('affine')));
    await expect(ours.models.waitUntilReady('greedy', version)).rejects.toMatchObject({
      message: expect.stringMatching(message) as string,
    });
    expect(own.workers[0]?.child.exitCode).toBeNull();
    await Promise.all([own.api.stop(), ...own.workers.map((worker) => worker.stop())]);
  });
});
