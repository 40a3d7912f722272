import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { ModelParity } from '@sconce/contracts';
import { casesOf, decodeSafetensors, type CallCase, type Tensor } from '@sconce/tensor';
import { fixturePath, type FixtureModel } from '@sconce/testing';
import { checkParity, DEFAULT_TOLERANCE, parityError } from './check-parity.ts';
import { loadArtifact, type Artifact, type LoadedArtifact } from './load-artifact.ts';

const opened: LoadedArtifact[] = [];
afterEach(async () => {
  for (const { session } of opened.splice(0)) await session.release();
});

async function open(artifact: Artifact, cases: readonly CallCase[] = []): Promise<LoadedArtifact> {
  const model = await loadArtifact(artifact, {}, cases);
  opened.push(model);
  return model;
}
const fixture = (model: FixtureModel): Promise<LoadedArtifact> => open({ path: fixturePath(model), format: 'onnx' });

const tensor = (datatype: Tensor['datatype'], shape: readonly number[], view: ArrayBufferView): Tensor => ({
  name: 'any',
  datatype,
  shape,
  data: new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength),
});
const floats = (...values: number[]): Tensor => tensor('FP32', [values.length / 4, 4], Float32Array.from(values));
const ints = (first: number, rest = 0): Tensor =>
  tensor(
    'INT32',
    [1, 16],
    Int32Array.from({ length: 16 }, (_, i) => (i === 0 ? first : rest)),
  );
const longs = (shape: readonly number[], ...values: bigint[]): Tensor =>
  tensor('INT64', shape, BigInt64Array.from(values));
const calls = (...pairs: readonly (readonly [inputs: readonly Tensor[], outputs: readonly Tensor[]])[]): CallCase[] =>
  pairs.map(([inputs, outputs], call) => ({ call, inputs, outputs }));

const X = floats(0, 1, 2, 3);
const Y = floats(1, 3, 5, 7);

describe('checkParity', () => {
  it.each<[what: string, model: FixtureModel, cases: readonly CallCase[], elements: number]>([
    ['the same', 'affine', calls([[X], [Y]]), 4],
    [
      'of several calls',
      'affine',
      calls([[X], [Y]], [[floats(...Array<number>(8).fill(1))], [floats(...Array<number>(8).fill(3))]]),
      12,
    ],
    ['off by less than the tolerance', 'affine', calls([[X], [floats(1.000_1, 3, 5, 7)]]), 4],
    [
      'expected NaN and infinities',
      'affine',
      calls([[floats(NaN, Infinity, -Infinity, 0)], [floats(NaN, Infinity, -Infinity, 1)]]),
      4,
    ],
    ['no elements', 'affine', calls([[floats()], [floats()]]), 0],
    ['integers', 'nonzero', calls([[tensor('FP32', [3], Float32Array.of(0, 1, 1))], [longs([1, 2], 1n, 2n)]]), 2],
  ])('accepts outputs that are %s', async (_, model, cases, elements) => {
    const parity = await checkParity(await fixture(model), cases, DEFAULT_TOLERANCE);
    expect(parity).toMatchObject({
      ok: true,
      calls: cases.length,
      ...DEFAULT_TOLERANCE,
      outputs: [{ name: 'y', ok: true, elements, off: 0 }],
    });
  });

  it.each<
    [what: string, model: FixtureModel, cases: readonly CallCase[], output: Partial<ModelParity['outputs'][number]>]
  >([
    [
      'is off in one element',
      'affine',
      calls([[X], [floats(1, 3, 5, 8)]]),
      { name: 'y', elements: 4, off: 1, max_abs: 1, max_rel: 0.125, spread_rel: 1 / 7 },
    ],
    [
      'is off in one of two calls: both count',
      'affine',
      calls([[X], [Y]], [[X], [floats(2, 3, 5, 9)]]),
      { name: 'y', elements: 8, off: 2, max_abs: 2, max_rel: 0.5 },
    ],
    [
      'is NaN instead of a number',
      'affine',
      calls([[floats(NaN, 1, 2, 3)], [Y]]),
      { off: 1, max_abs: null, max_rel: null, spread_rel: null },
    ],
    ['is a number instead of NaN', 'affine', calls([[X], [floats(NaN, 3, 5, 7)]]), { off: 1, max_abs: null }],
    ['is infinite', 'affine', calls([[floats(3e38, 1, 2, 3)], [floats(3e38, 3, 5, 7)]]), { off: 1, max_abs: null }],
    [
      'is the other infinity',
      'affine',
      calls([[floats(Infinity, 1, 2, 3)], [floats(-Infinity, 3, 5, 7)]]),
      { off: 1, max_abs: null },
    ],
    [
      'has another shape',
      'affine',
      calls([[X], [tensor('FP32', [4], Float32Array.of(1, 3, 5, 7))]]),
      { off: 0, elements: 0, reason: 'is FP32[1,4], expected FP32[4]' },
    ],
    [
      'has another type',
      'affine',
      calls([[X], [tensor('FP64', [1, 4], Float64Array.of(1, 3, 5, 7))]]),
      { off: 0, reason: 'is FP32[1,4], expected FP64[1,4]' },
    ],
    [
      'is an integer off by one, also if it is large',
      'nonzero',
      calls([[tensor('FP32', [3], Float32Array.of(0, 0, 1))], [longs([1, 1], 3n)]]),
      { off: 1, max_abs: 1 },
    ],
  ])('finds an output that %s', async (_, model, cases, output) => {
    const parity = await checkParity(await fixture(model), cases, DEFAULT_TOLERANCE);
    expect(parity.outputs).toHaveLength(1);
    expect(parity).toMatchObject({ ok: false, calls: cases.length, outputs: [{ ok: false, ...output }] });
    // The report is stored and sent as JSON.
    expect(JSON.parse(JSON.stringify(parity))).toEqual(parity);
  });

  it.each<[tolerance: { rtol: number; atol: number }, ok: boolean]>([
    [DEFAULT_TOLERANCE, false],
    [{ rtol: 0, atol: 0.019 }, false],
    [{ rtol: 0, atol: 0.021 }, true],
    [{ rtol: 0.021, atol: 0 }, true],
    [{ rtol: 0.001, atol: 0.02 }, true],
  ])('uses the tolerance %j', async (tolerance, ok) => {
    const cases = calls([[X], [floats(1.02, 3, 5, 7)]]);
    const parity = await checkParity(await fixture('affine'), cases, tolerance);
    expect(parity).toMatchObject({ ok, ...tolerance });
  });

  it('compares integers exactly, whatever the tolerance is', async () => {
    const inputs = [ints(2 ** 30), ints(1)];
    const model = await fixture('simple');
    const wide = { rtol: 1, atol: 1e9 };
    expect(await checkParity(model, calls([inputs, [ints(2 ** 30 + 1), ints(2 ** 30 - 1)]]), wide)).toMatchObject({
      ok: true,
    });
    expect(await checkParity(model, calls([inputs, [ints(2 ** 30 + 1), ints(2 ** 30)]]), wide)).toMatchObject({
      ok: false,
      outputs: [
        { name: 'OUTPUT0', ok: true, elements: 16 },
        { name: 'OUTPUT1', ok: false, elements: 16, off: 1, max_abs: 1 },
      ],
    });
  });

  it.each<[what: string, outputs: readonly Tensor[], report: object]>([
    [
      'lack an output that the model gives',
      [ints(6)],
      { name: 'OUTPUT1', ok: false, reason: 'is not among the cases: they have 1' },
    ],
    [
      'have an output that it does not give',
      [ints(6), ints(4), ints(0)],
      { name: 'output 2', ok: false, reason: 'is missing: the model gives 2' },
    ],
  ])('finds that cases %s', async (_, outputs, report) => {
    const parity = await checkParity(await fixture('simple'), calls([[ints(5), ints(1)], outputs]), DEFAULT_TOLERANCE);
    expect(parity.ok).toBe(false);
    expect(parity.outputs.filter(({ ok }) => !ok)).toEqual([expect.objectContaining(report)]);
    expect(parity.outputs.find(({ name }) => name === 'OUTPUT0')).toMatchObject({ ok: true });
  });

  it.each<[what: string, model: FixtureModel, inputs: readonly Tensor[], reason: RegExp]>([
    ['too few inputs', 'simple', [ints(5)], /^call 1: The model takes 2 inputs \(INPUT0, INPUT1\), and 1 tensor came/],
    ['too many inputs', 'simple', [ints(5), ints(1), ints(1)], /^call 1: .* and 3 tensors came/],
    ['an input of another type', 'simple', [ints(5), floats(1, 2, 3, 4)], /^call 1: .*INPUT1 takes INT32.* FP32/],
    [
      'an input of another shape',
      'simple',
      [ints(5), tensor('INT32', [2, 8], new Int32Array(16))],
      /^call 1: The model failed on this input.*INPUT1/,
    ],
  ])('reports a call with %s, and checks the other calls', async (_, model, inputs, reason) => {
    const good = [
      [ints(5), ints(1)],
      [ints(6), ints(4)],
    ] as const;
    const cases = calls(good, [inputs, good[1]], good);
    const parity = await checkParity(await fixture(model), cases, DEFAULT_TOLERANCE);
    expect(parity).toMatchObject({ ok: false, calls: 3 });
    expect(parity.outputs).toEqual([
      expect.objectContaining({ name: 'OUTPUT0', ok: true, elements: 32 }),
      expect.objectContaining({ name: 'OUTPUT1', ok: true, elements: 32 }),
      expect.objectContaining({ name: 'all', ok: false, reason: expect.stringMatching(reason) as string }),
    ]);
  });

  it('reports an index that the model refuses', async () => {
    const cases = calls([[longs([1, 1], 99n)], [tensor('FP32', [1, 1, 2], new Float32Array(2))]]);
    const parity = await checkParity(await fixture('lookup'), cases, DEFAULT_TOLERANCE);
    expect(parity).toMatchObject({
      ok: false,
      outputs: [{ name: 'all', reason: expect.stringMatching(/^call 0: .*99/) as string }],
    });
  });

  it('throws errors that are not caused by a call', async () => {
    const model = await fixture('affine');
    const broken: LoadedArtifact = {
      ...model,
      bind: () => {
        throw new TypeError('a bug');
      },
    };
    await expect(checkParity(broken, calls([[X], [Y]]), DEFAULT_TOLERANCE)).rejects.toThrow('a bug');
  });

  it('keeps a model’s state from call to call, and starts with the first state each time', async () => {
    const archive = fileURLToPath(new URL('../../../../test/conformance/cases/state/stateful_sum.pt', import.meta.url));
    const cases = casesOf(decodeSafetensors(readFileSync(archive.replace(/pt$/, 'safetensors'))));
    const model = await open({ path: archive, format: 'torchscript' }, cases);
    for (let time = 0; time < 2; time++) {
      const parity = await checkParity(model, cases, DEFAULT_TOLERANCE);
      // State is not among the outputs of the cases.
      expect(parity).toMatchObject({ ok: true, calls: 3, outputs: [{ name: 'output_0' }, { name: 'output_1' }] });
    }
    // Without the first call the second call gives other outputs.
    const late = await checkParity(model, cases.slice(1), DEFAULT_TOLERANCE);
    expect(late.outputs.map(({ ok, off }) => [ok, off])).toEqual([
      [false, 6],
      [false, 2],
    ]);
  });
});

describe('parityError', () => {
  const messageOf = async (cases: readonly CallCase[], model: FixtureModel = 'affine'): Promise<string> => {
    const error = parityError(await checkParity(await fixture(model), cases, DEFAULT_TOLERANCE));
    expect(error.code).toBe('parity_failed');
    return error.message;
  };

  it.each<[what: string, cases: readonly CallCase[], message: RegExp]>([
    [
      'how far it is off, and in how many elements',
      calls([[X], [Y]], [[X], [floats(1, 3, 5, 8)]]),
      /\(2 calls, rtol 0\.0001, atol 0\.00001\): "y" is off in 1 of 8 elements, by up to 1\.0e\+0 \(1\.4e-1 of the output's spread\)\. .*--tolerance/,
    ],
    ['NaN', calls([[floats(NaN, 1, 2, 3)], [Y]]), /is off in 1 of 4 elements, by up to infinity or NaN\. /],
    [
      'no spread if the output has none',
      calls([[X], [floats(9, 9, 9, 9)]]),
      /in 4 of 4 elements, by up to 8\.0e\+0\. /,
    ],
    ['the shapes', calls([[X], [floats(...Array<number>(8).fill(1))]]), /"y" is FP32\[1,4\], expected FP32\[2,4\]\. /],
    ['why a call does not run', calls([[], [Y]]), /"all" call 0: The model takes 1 input \(x\), and 0 tensors came/],
  ])('says %s', async (_, cases, message) => {
    expect(await messageOf(cases)).toMatch(message);
  });

  it('names the outputs that are off, at most three', () => {
    const output = (name: string, ok: boolean): ModelParity['outputs'][number] => ({
      ...{ name, ok, elements: 4, off: ok ? 0 : 1, max_abs: 1, max_rel: 1, spread_rel: 1 },
    });
    const outputs = [output('a', true), ...['b', 'c', 'd', 'e'].map((name) => output(name, false))];
    const { message } = parityError({ ok: false, calls: 1, ...DEFAULT_TOLERANCE, outputs });
    expect([...message.matchAll(/"(\w)" is off/g)].map(([, name]) => name)).toEqual(['b', 'c', 'd']);
  });
});
