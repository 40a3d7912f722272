import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { byteLength, encodeBytes, encodeSafetensors, type Tensor, type TensorSpec } from '@sconce/tensor';
import { fixturePath, temporaryFolder, type FixtureModel } from '@sconce/testing';
import { checkSession, warmUp } from './check-session.ts';
import { OnnxSession } from './onnx-session.ts';
import type { ModelFile } from './thread-protocol.ts';

const folder = temporaryFolder('check');
let files = 0;

const opened = new Map<FixtureModel, Promise<OnnxSession>>();
const open = (model: FixtureModel): Promise<OnnxSession> => {
  const session = opened.get(model) ?? OnnxSession.open(fixturePath(model), { intraOpThreads: 1 });
  opened.set(model, session);
  return session;
};
afterAll(async () => {
  for (const session of opened.values()) await (await session).release();
});

const tensor = (
  name: string,
  datatype: Tensor['datatype'],
  shape: readonly number[],
  view: ArrayBufferView,
): Tensor => ({
  name,
  datatype,
  shape,
  data: new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength),
});
const floats = (name: string, shape: readonly number[], values: readonly number[]): Tensor =>
  tensor(name, 'FP32', shape, Float32Array.from(values));
const halves = (name: string, values: readonly number[]): Tensor =>
  tensor(name, 'FP16', [1, values.length], Float16Array.from(values));
const ints = (name: string, values: readonly number[]): Tensor =>
  tensor(
    name,
    'INT32',
    [1, 16],
    Int32Array.from({ length: 16 }, (_, i) => values[i % values.length] ?? 0),
  );
const longs = (name: string, shape: readonly number[], values: readonly bigint[]): Tensor =>
  tensor(name, 'INT64', shape, BigInt64Array.from(values));

function stored(bytes: Uint8Array): string {
  const path = join(folder, `${files++}.safetensors`);
  writeFileSync(path, bytes);
  return path;
}
const checkOf = (...tensors: readonly Tensor[]): string => stored(encodeSafetensors(tensors));

const X = floats('0.in.0', [2, 4], [0, 1, 2, 3, 4, 5, 6, 7]);
const Y = [1, 3, 5, 7, 9, 11, 13, 15];
const y = (change: (value: number, i: number) => number = (value) => value, shape = [2, 4]): Tensor =>
  floats('0.out.0', shape, Y.map(change));

describe('checkSession', () => {
  it.each<[what: string, model: FixtureModel, tensors: readonly Tensor[]]>([
    ['the same numbers', 'affine', [X, y()]],
    ['rounding', 'affine', [X, y((value) => value * 1.001)]],
    // Deviations are relative to the whole output: small numbers beside large ones may differ by more.
    ['rounding of a small number beside large ones', 'affine', [X, y((value, i) => (i === 0 ? value + 0.05 : value))]],
    [
      'the same NaN and infinities',
      'affine',
      [
        floats('0.in.0', [1, 4], [NaN, Infinity, -Infinity, 1]),
        floats('0.out.0', [1, 4], [NaN, Infinity, -Infinity, 3]),
      ],
    ],
    [
      'integers of two outputs',
      'simple',
      [ints('0.in.0', [5, 7]), ints('0.in.1', [1, 2]), ints('0.out.0', [6, 9]), ints('0.out.1', [4, 5])],
    ],
    ['an output without elements', 'nonzero', [floats('0.in.0', [3], [0, 0, 0]), longs('0.out.0', [1, 0], [])]],
  ])('accepts %s', async (_, model, tensors) => {
    await expect(checkSession(await open(model), checkOf(...tensors))).resolves.toBeUndefined();
  });

  it.each<[what: string, model: FixtureModel, tensors: readonly Tensor[], output: RegExp]>([
    ['another number', 'affine', [X, y((value, i) => (i === 7 ? value * 1.02 : value))], /"y" is off by 2\.0e-2/],
    ['NaN', 'affine', [X, y((value, i) => (i === 0 ? NaN : value))], /"y" is off by Infinity/],
    [
      'a number for an infinity',
      'affine',
      [floats('0.in.0', [1, 4], [1, 2, 3, Infinity]), floats('0.out.0', [1, 4], [3, 5, 7, 3e38])],
      /"y" is off/,
    ],
    ['other rows', 'affine', [X, y(undefined, [1, 8])], /"y" is off by Infinity/],
    ['another type', 'affine', [X, tensor('0.out.0', 'FP64', [2, 4], Float64Array.from(Y))], /"y" is off by Infinity/],
    [
      'an integer that is off by one',
      'simple',
      [ints('0.in.0', [5_000_000]), ints('0.in.1', [1]), ints('0.out.0', [5_000_001]), ints('0.out.1', [5_000_000])],
      /"OUTPUT1"/,
    ],
    [
      'no number for an output',
      'simple',
      [ints('0.in.0', [5]), ints('0.in.1', [1]), ints('0.out.0', [6])],
      /"OUTPUT1"/,
    ],
    ['more elements', 'nonzero', [floats('0.in.0', [3], [0, 1, 1]), longs('0.out.0', [1, 1], [1n])], /"y"/],
  ])('refuses a session whose outputs have %s', async (_, model, tensors, output) => {
    await expect(checkSession(await open(model), checkOf(...tensors))).rejects.toMatchObject({
      code: 'model_corrupt',
      message: expect.stringMatching(output) as string,
    });
  });

  it('allows larger deviations for float16, which has fewer digits', async () => {
    const session = await open('every-type');
    // Among the inputs are BYTES, which a check file cannot hold. Only the FP16 output is compared.
    const isHalf = ({ datatype }: TensorSpec): boolean => datatype === 'FP16';
    const others = session.signature.inputs.filter((spec) => !isHalf(spec)).map(something);
    const half: Pick<OnnxSession, 'signature' | 'run'> = {
      signature: {
        inputs: session.signature.inputs.filter(isHalf),
        outputs: session.signature.outputs.filter(isHalf),
      },
      run: (inputs, outputs, into) => session.run([...others, ...inputs], outputs, into),
    };
    const run = (...expected: number[]): Promise<void> =>
      checkSession(half as OnnxSession, checkOf(halves('0.in.0', [1, -2]), halves('0.out.0', expected)));
    await expect(run(1, -2.05)).resolves.toBeUndefined();
    await expect(run(1, -2.2)).rejects.toMatchObject({ code: 'model_corrupt' });
  });

  it('reports why the call does not run', async () => {
    const check = checkOf(longs('0.in.0', [1, 1], [99n]), floats('0.out.0', [1, 1, 2], [0, 0]));
    await expect(checkSession(await open('lookup'), check)).rejects.toMatchObject({ code: 'inference_failed' });
  });

  it.each<[what: string, path: () => string, code: string, message: RegExp]>([
    ['is gone, with its version', () => join(folder, 'gone.safetensors'), 'model_not_found', /is gone/],
    ['is cut off', () => stored(encodeSafetensors([X, y()]).subarray(0, 100)), 'model_corrupt', /can't be read .*push/],
    ['is something else', () => stored(Buffer.from('not a tensor in it')), 'model_corrupt', /can't be read/],
    ['holds no call', () => checkOf({ ...X, name: 'x' }), 'model_corrupt', /can't be read .*no calls/],
    ['is a folder', () => folder, 'model_corrupt', /EISDIR/],
  ])('reports a check file that %s', async (_, path, code, message) => {
    const expected = { code, message: expect.stringMatching(message) as string };
    await expect(checkSession(await open('affine'), path())).rejects.toMatchObject(expected);
  });
});

const something = ({ name, datatype }: TensorSpec): Tensor => {
  const data = datatype === 'BYTES' ? encodeBytes(['a', 'b']) : new Uint8Array(byteLength(datatype, [1, 2], name));
  return { name, datatype, shape: [1, 2], data };
};

describe('warmUp', () => {
  /** A session that tells what it is run on. */
  async function watched(model: FixtureModel): Promise<{ session: OnnxSession; runs: (readonly Tensor[])[] }> {
    const session = await open(model);
    const runs: (readonly Tensor[])[] = [];
    const run: OnnxSession['run'] = (inputs, outputs, into) => {
      runs.push(inputs);
      return session.run(inputs, outputs, into);
    };
    return { session: { signature: session.signature, run } as OnnxSession, runs };
  }
  const file = (more: Partial<ModelFile>): ModelFile => ({
    model: 'm',
    version: '1',
    key: 'm',
    path: 'm.onnx',
    sizeBytes: 1,
    ...more,
  });
  const warmup = (runs: { rows: number; count: number }[], rowInputs = ['x']): NonNullable<ModelFile['warmup']> => ({
    rowInputs,
    runs,
  });

  it.each<[what: string, file: () => ModelFile]>([
    ['it has no check call', () => file({ warmup: warmup([{ rows: 1, count: 1 }]) })],
    ['it asks for none', () => file({ check: checkOf(X, y()) })],
    ['it asks for no runs', () => file({ check: checkOf(X, y()), warmup: warmup([]) })],
    [
      'it asks for a run that is made no time',
      () => file({ check: checkOf(X, y()), warmup: warmup([{ rows: 4, count: 0 }]) }),
    ],
  ])('makes no run if %s', async (_, make) => {
    const { session, runs } = await watched('affine');
    await warmUp(session, make());
    expect(runs).toEqual([]);
  });

  it('makes the runs that it is given, with repetitions of the check call’s first row', async () => {
    const { session, runs } = await watched('affine');
    const check = checkOf(floats('0.in.0', [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]), y());
    const rows = [1, 2, 2, 16];
    await warmUp(
      session,
      file({ check, warmup: warmup([1, 2, 16].map((n) => ({ rows: n, count: n === 2 ? 2 : 1 }))) }),
    );
    expect(runs.map(([x]) => x?.shape)).toEqual(rows.map((n) => [n, 4]));
    expect(runs.map(([x]) => x?.name)).toEqual(rows.map(() => 'x'));
    const [, , , last] = runs;
    expect([...new Float32Array(last?.[0]?.data.slice().buffer ?? new ArrayBuffer())]).toEqual(
      Array.from({ length: 16 }, () => [1, 2, 3, 4]).flat(),
    );
  });

  it('does not change inputs without rows', async () => {
    const { session, runs } = await watched('simple');
    const check = checkOf(ints('0.in.0', [5]), ints('0.in.1', [1]), ints('0.out.0', [6]), ints('0.out.1', [4]));
    await warmUp(session, file({ check, warmup: warmup([{ rows: 7, count: 1 }], []) }));
    expect(runs.map((inputs) => inputs.map(({ name, shape }) => [name, shape]))).toEqual([
      [
        ['INPUT0', [1, 16]],
        ['INPUT1', [1, 16]],
      ],
    ]);
  });

  it('fails if the model fails', async () => {
    const check = checkOf(longs('0.in.0', [1, 1], [99n]), floats('0.out.0', [1, 1, 2], [0, 0]));
    const loaded = file({ check, warmup: warmup([{ rows: 2, count: 1 }], ['index']) });
    await expect(warmUp(await open('lookup'), loaded)).rejects.toMatchObject({ code: 'inference_failed' });
  });
});
