import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { ModelConfig } from '@sconce/contracts';
import { GraphBuilder, IR_VERSION, OPSET, encodeModel } from '@sconce/onnx';
import { casesOf, decodeSafetensors, viewOf, type CallCase, type Tensor, type TensorSpec } from '@sconce/tensor';
import { fixturePath, temporaryFolder, type FixtureModel } from '@sconce/testing';
import { loadArtifact, type LoadedArtifact } from './load-artifact.ts';

// Files that PyTorch wrote, with what it gave: see the README of test/conformance.
const file = (name: string): string =>
  fileURLToPath(new URL(`../../../../test/conformance/cases/${name}`, import.meta.url));
const casesIn = (name: string): CallCase[] => casesOf(decodeSafetensors(readFileSync(file(`${name}.safetensors`))));

const opened: LoadedArtifact[] = [];
afterEach(async () => {
  for (const { session } of opened.splice(0)) await session.release();
});

async function kept(loading: Promise<LoadedArtifact>): Promise<LoadedArtifact> {
  const loaded = await loading;
  opened.push(loaded);
  return loaded;
}
const torchScript = (
  name: string,
  config: ModelConfig = {},
  cases: readonly CallCase[] = [],
): Promise<LoadedArtifact> => kept(loadArtifact({ path: file(`${name}.pt`), format: 'torchscript' }, config, cases));
const onnx = (path: string, config: ModelConfig = {}): Promise<LoadedArtifact> =>
  kept(loadArtifact({ path, format: 'onnx' }, config, []));
const fixture = (name: FixtureModel, config: ModelConfig = {}): Promise<LoadedArtifact> =>
  onnx(fixturePath(name), config);

type ConfigTensor = NonNullable<ModelConfig['input']>[number];
const input = (name: string, dims: number[], type: ConfigTensor['data_type'] = 'TYPE_FP32'): ConfigTensor => ({
  name,
  data_type: type,
  dims,
});
const texts = (specs: readonly TensorSpec[]): string[] =>
  specs.map(({ name, datatype, shape }) => `${name} ${datatype}[${shape.join(',')}]`);
const inputsOf = ({ session }: LoadedArtifact): string[] => texts(session.signature.inputs);
const outputsOf = ({ session }: LoadedArtifact): string[] => texts(session.signature.outputs);

async function run(model: LoadedArtifact, tensors: readonly Tensor[], state = model.state): Promise<Tensor[]> {
  const names = model.session.signature.outputs.map(({ name }) => name);
  const outputs = await model.session.run(model.bind({ tensors, byName: false }, state), names, new Map());
  return outputs.map((output) => ({ ...output, data: output.data.slice() }));
}
const numbers = (tensor: Tensor | undefined): number[] =>
  Array.from(viewOf(tensor as Tensor & { datatype: 'FP32' }), Number);
const floats = (shape: readonly number[], ...values: number[]): Tensor => ({
  name: 'any',
  datatype: 'FP32',
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});

const refusal = (field: string, message: RegExp): object => ({
  name: 'SconceError',
  code: 'model_invalid',
  message: expect.stringMatching(message) as string,
  details: { param: `config.${field}` },
});

describe('inputs that a config gives to TorchScript', () => {
  it.each<[what: string, archive: string, config: ModelConfig, inputs: string[]]>([
    ['nothing', 'signature/rows_mixed_script', {}, ['x FP32[-1,-1]']],
    ['a shape', 'signature/rows_mixed_script', { input: [input('x', [-1, 6])] }, ['x FP32[-1,6]']],
    ['another type', 'signature/rows_mixed_script', { input: [input('x', [-1, 6], 'TYPE_FP64')] }, ['x FP64[-1,6]']],
    [
      'a shape without free axes',
      'signature/batch_flat_script',
      { input: [input('x', [4, 1, 6, 6])] },
      ['x FP32[4,1,6,6]'],
    ],
    [
      'a shape without the batch axis, as Triton has it',
      'signature/rows_mixed_script',
      { max_batch_size: 8, input: [input('x', [6])] },
      ['x FP32[-1,6]'],
    ],
    [
      'a whole shape with max_batch_size 0',
      'signature/rows_mixed_script',
      { max_batch_size: 0, input: [input('x', [-1, 6])] },
      ['x FP32[-1,6]'],
    ],
    [
      'one of several',
      'signature/unused_argument_script',
      { input: [input('y', [-1, 3]), input('unused', [7])] },
      ['x FP32[-1,-1]', 'unused FP32[7]', 'y FP32[-1,3]'],
    ],
    [
      'several in an order of its own',
      'signature/unused_argument_script',
      { input: [input('y', [-1, 3]), input('unused', [-1]), input('x', [5, 3])] },
      ['x FP32[5,3]', 'unused FP32[-1]', 'y FP32[-1,3]'],
    ],
    [
      'the keys of a dict',
      'signature/dictionary_argument_script',
      { input: [input('x.a', [-1, 3]), input('x.b', [-1, 3])] },
      ['x.a FP32[-1,3]', 'x.b FP32[-1,3]'],
    ],
    [
      'the parts of a list',
      'signature/list_argument_script',
      { input: [input('parts.0', [-1, 3]), input('parts.1', [-1, 2]), input('parts.2', [-1, 1])] },
      ['parts.0 FP32[-1,3]', 'parts.1 FP32[-1,2]', 'parts.2 FP32[-1,1]'],
    ],
  ])('%s (%s)', async (_, archive, config, expected) => {
    expect(inputsOf(await torchScript(archive, config))).toEqual(expected);
  });

  it.each<[what: string, archive: string, config: ModelConfig, field: string, message: RegExp]>([
    [
      'an input that it has not',
      'signature/rows_mixed_script',
      { input: [input('z', [-1, 6])] },
      'input',
      /"z", which the model has not: it takes x$/,
    ],
    // `xa` begins with `x`, and is no part of it.
    [
      'a name that only begins as one',
      'signature/rows_mixed_script',
      { input: [input('xa', [-1, 6])] },
      'input',
      /"xa".*has not/,
    ],
    [
      'a part that a tuple has not',
      'signature/tuple_argument_script',
      { input: [input('pair.7', [-1])] },
      'input',
      /"pair\.7".*"x", "pair\.0", "pair\.1"/,
    ],
    [
      'an input of a model without',
      'signature/no_argument',
      { input: [input('x', [-1])] },
      'input',
      /it takes nothing$/,
    ],
    [
      'a tensor for a number',
      'signature/numbers',
      { input: [input('n', [])], arguments: { mode: 'sum' } },
      'input',
      /"n" is FP32\[\], and in the model it is INT64\[\]/,
    ],
    [
      'an output that it has not',
      'signature/rows_mixed_script',
      { output: [input('y', [-1])] },
      'output',
      /"y".*its outputs are "output_0", "output_1", "output_2"/,
    ],
    [
      'an output of another type',
      'signature/rows_mixed_script',
      { output: [input('output_0', [-1, -1], 'TYPE_INT64')] },
      'output',
      /"output_0" is INT64\[-1,-1\], and in the model it is FP32\[-1,-1\]/,
    ],
    [
      'an output of another rank',
      'signature/rows_mixed_script',
      { output: [input('output_0', [-1])] },
      'output',
      /FP32\[-1\], and/,
    ],
  ])('are refused where they name %s (%s)', async (_, archive, config, field, message) => {
    await expect(torchScript(archive, config)).rejects.toMatchObject(refusal(field, message));
  });

  it.each<[what: string, config: ModelConfig, message: RegExp]>([
    ['a rank that an operator does not take', { input: [input('x', [-1, 36])] }, /aten::conv2d.*rank 2/s],
    ['a type that an operator does not take', { input: [input('x', [-1, 1, 6, 6], 'TYPE_INT64')] }, /int64; convert/],
    ['sizes that do not go with the weights', { input: [input('x', [-1, 1, 7, 7])] }, /32 and 50/],
  ])('are refused where they have %s', async (_, config, message) => {
    await expect(torchScript('signature/batch_flat_script', config)).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringMatching(message) as string,
    });
  });
});

describe('inputs and outputs that a config gives to ONNX', () => {
  it.each<[what: string, model: FixtureModel, config: ModelConfig]>([
    ['the same', 'affine', { input: [input('x', [-1, 4])], output: [input('y', [-1, 4])] }],
    [
      'the same without the batch axis',
      'affine',
      { max_batch_size: 4, input: [input('x', [4])], output: [input('y', [4])] },
    ],
    ['a size for a free axis', 'affine', { input: [input('x', [2, 4])] }],
    ['a free axis for a size', 'affine', { input: [input('x', [-1, -1])] }],
    ['one batch for a fixed size', 'simple', { max_batch_size: 4, input: [input('INPUT0', [16], 'TYPE_INT32')] }],
    ['texts', 'every-type', { input: [input('in_BYTES', [-1, 2], 'TYPE_STRING')] }],
  ])('may be %s', async (_, model, config) => {
    const plain = await fixture(model);
    // They are compared with the file, and change nothing in it.
    expect((await fixture(model, config)).session.signature).toEqual(plain.session.signature);
  });

  it.each<[what: string, model: FixtureModel, config: ModelConfig, field: string, message: RegExp]>([
    [
      'another name',
      'affine',
      { input: [input('z', [-1, 4])] },
      'input',
      /names "z", which the model has not: its inputs are "x"/,
    ],
    [
      'another type',
      'affine',
      { input: [input('x', [-1, 4], 'TYPE_FP16')] },
      'input',
      /FP16\[-1,4\], and in the model it is FP32\[-1,4\]/,
    ],
    [
      'another size',
      'affine',
      { input: [input('x', [-1, 5])] },
      'input',
      /FP32\[-1,5\], and in the model it is FP32\[-1,4\]/,
    ],
    ['the batch axis twice', 'affine', { max_batch_size: 4, input: [input('x', [-1, 4])] }, 'input', /FP32\[-1,-1,4\]/],
    ['no batch axis', 'affine', { input: [input('x', [4])] }, 'input', /FP32\[4\]/],
    ['another output', 'simple', { output: [input('OUTPUT0', [1, 16])] }, 'output', /"OUTPUT0" is FP32.* INT32/],
    ['a method', 'affine', { method: 'forward' }, 'method', /is for TorchScript files/],
    ['arguments', 'affine', { arguments: {} }, 'arguments', /is for TorchScript files/],
  ])('may not be %s', async (_, model, config, field, message) => {
    await expect(fixture(model, config)).rejects.toMatchObject(refusal(field, message));
  });
});

describe('arguments of a config', () => {
  const REST = { mode: 'none', power: 1 };
  const X = floats([1, 2], 3, -4);

  it('are fixed in the model, numbers as the parameters’ types are', async () => {
    const model = await torchScript('signature/numbers', { arguments: { ...REST, n: 3, f: 2, flag: true } });
    expect(inputsOf(model)).toEqual(['x FP32[-1,-1]']);
    // Integers stay such, and a float is one however it is written.
    expect(outputsOf(model)).toEqual([
      'output_0 FP32[-1,-1]',
      'output_1 INT64[]',
      'output_2 FP64[]',
      'output_3 BOOL[]',
    ]);
    // y = -(|x| * f + n); n * 2; f + n; not flag.
    expect((await run(model, [X])).map(numbers)).toEqual([[-9, -11], [6], [5], [0]]);
  });

  it('decide about the way through the model', async () => {
    const model = await torchScript('signature/numbers', {
      arguments: { mode: 'sum', power: 2, n: -1, f: 0.5, flag: false },
    });
    expect((await run(model, [X])).map(numbers)).toEqual([[10.5], [-2], [-0.5], [1]]);
  });

  it('may be some: the others stay inputs', async () => {
    const model = await torchScript('signature/numbers', { arguments: { ...REST, f: 2 } });
    expect(inputsOf(model)).toEqual(['x FP32[-1,-1]', 'n INT64[]', 'flag BOOL[]']);
  });

  it('may be None where the parameter is optional', async () => {
    const model = await torchScript('signature/optional_results', { arguments: { y: null } });
    expect([inputsOf(model), outputsOf(model)]).toEqual([['x FP32[-1,-1]'], ['output_0 FP32[-1,-1]']]);
  });

  it.each<[what: string, given: NonNullable<ModelConfig['arguments']>, message: RegExp]>([
    [
      'one that the model has not',
      { depth: 3 },
      /"depth", which the model has not: it takes x, n, f, flag, power, mode$/,
    ],
    ['half for a whole number', { n: 1.5 }, /gives 1\.5 for "n", which takes a whole number/],
    ['a text for a whole number', { n: '3' }, /gives "3" for "n", which takes a whole number/],
    ['true for a whole number', { power: true }, /gives true for "power", which takes a whole number/],
    ['null for what is not optional', { n: null }, /gives null for "n"/],
    ['a text for a number', { f: '0.5' }, /gives "0\.5" for "f", which takes a number/],
    ['true for a number', { f: true }, /gives true for "f"/],
    ['1 for true', { flag: 1 }, /gives 1 for "flag", which takes true or false/],
    ['a number for a text', { mode: 3 }, /gives 3 for "mode", which takes a text/],
    ['a number for a tensor', { x: 3 }, /gives 3 for "x", which takes a tensor.*"input"/],
  ])('are refused where they have %s', async (_, given, message) => {
    await expect(torchScript('signature/numbers', { arguments: { ...REST, ...given } })).rejects.toMatchObject(
      refusal('arguments', message),
    );
  });

  it('are refused where they have a number for an optional tensor', async () => {
    await expect(torchScript('signature/optional_results', { arguments: { y: 3 } })).rejects.toMatchObject(
      refusal('arguments', /gives 3 for "y", which takes None or a tensor/),
    );
  });
});

describe('the method of a config', () => {
  it('is compiled instead of forward, with its own parameters', async () => {
    const other = await torchScript('values/helpers', { method: 'other', input: [input('x', [-1, 2])] });
    expect((await run(other, [floats([1, 2], 1, 2)])).map(numbers)).toEqual([[101, 102]]);
    const twice = await torchScript('values/helpers', {
      method: 'twice',
      arguments: { times: 4 },
      input: [input('x', [-1, 2])],
    });
    expect((await run(twice, [floats([1, 2], 1, 2)])).map(numbers)).toEqual([[6, 12]]);
  });

  it('is refused where the model has not got it, with those it has', async () => {
    await expect(torchScript('values/helpers', { method: 'predict' })).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringMatching(/no method predict; it has .*forward/) as string,
    });
    await expect(torchScript('values/helpers', { method: 'other', arguments: { times: 4 } })).rejects.toMatchObject(
      refusal('arguments', /"times", which the model has not: it takes x$/),
    );
  });
});

describe('a model that is given cases', () => {
  it('is compiled for their types and ranks, and bound to their tensors', async () => {
    const [first] = casesIn('signature/types');
    const model = await torchScript('signature/types_script', {}, casesIn('signature/types_script'));
    expect(inputsOf(model).map((text) => text.split(' ')[1])).toEqual([
      'BOOL[-1,-1]',
      'UINT8[-1,-1]',
      'INT32[-1,-1]',
      'INT8[-1,-1]',
      'INT16[-1,-1]',
      'FP64[-1,-1]',
    ]);
    expect(model.bind({ tensors: first?.inputs ?? [], byName: false }, model.state).map(({ name }) => name)).toEqual([
      'b',
      'u',
      'i',
      'c',
      's',
      'd',
    ]);
  });

  it('follows the config where that says more', async () => {
    const model = await torchScript(
      'signature/rows_mixed_script',
      { input: [input('x', [-1, 6])] },
      casesIn('signature/rows_mixed_script'),
    );
    expect(inputsOf(model)).toEqual(['x FP32[-1,6]']);
  });

  it.each<[what: string, change: (inputs: readonly Tensor[]) => readonly Tensor[], message: RegExp]>([
    ['too many tensors', (inputs) => [...inputs, ...inputs], /2 arguments, and forward takes 1/],
    ['a type that the model does not take', ([x]) => [{ ...(x as Tensor), datatype: 'INT32' }], /int32/],
    ['a rank that the model does not take', ([x]) => [{ ...(x as Tensor), shape: [72] }], /rank 1/],
  ])('is refused where they have %s', async (_, change, message) => {
    const [first] = casesIn('signature/batch_flat_script');
    const cases = [{ call: 0, inputs: change(first?.inputs ?? []), outputs: first?.outputs ?? [] }];
    await expect(torchScript('signature/batch_flat_script', {}, cases)).rejects.toMatchObject({
      name: 'SconceError',
      message: expect.stringMatching(message) as string,
    });
  });

  it.each<[what: string, change: (inputs: readonly Tensor[]) => readonly Tensor[], message: RegExp]>([
    ['too few tensors', () => [], /takes 1 input \(x\), and 0 tensors came/],
    ['too many tensors', (inputs) => [...inputs, ...inputs], /takes 1 input \(x\), and 2 tensors came/],
    ['another type', ([x]) => [{ ...(x as Tensor), datatype: 'INT32' }], /x takes FP32, and the tensor is INT32/],
  ])('does not bind a later one of %s', async (_, change, message) => {
    const name = 'signature/rows_mixed_script';
    const [first, second] = casesIn(name);
    const model = await torchScript(name, {}, first === undefined ? [] : [first]);
    const call = { tensors: change(second?.inputs ?? []), byName: false };
    expect(() => model.bind(call, model.state)).toThrow(message);
  });
});

describe('a model with state', () => {
  it('has it among its inputs and outputs, and the first of it at hand', async () => {
    const name = 'state/stateful_sum';
    const cases = casesIn(name);
    const model = await torchScript(name, {}, cases);
    expect([...model.state.values()].map(({ name: key, datatype, data }) => [key, datatype, data.length])).toEqual([
      ['calls', 'INT64', 8],
      ['total', 'FP32', 12],
    ]);
    expect(Object.fromEntries(model.stateInputs)).toEqual({ 'calls.next': 'calls', 'total.next': 'total' });
    // A call brings what is no state; the state comes from where the caller keeps it.
    const [x] = cases[0]?.inputs ?? [];
    const bound = model.bind({ tensors: [x as Tensor], byName: false }, model.state);
    expect(bound.map((tensor) => tensor.name)).toEqual(model.session.signature.inputs.map((spec) => spec.name));
    const seven = { name: 'calls', datatype: 'INT64' as const, shape: [], data: new Uint8Array(8).fill(7, 0, 1) };
    const outputs = await run(model, [x as Tensor], new Map([...model.state, ['calls', seven]]));
    expect(numbers(outputs[1])).toEqual([8]);
  });
});

describe('hints about rows', () => {
  const branch = (shape: readonly (number | string | null)[]): string => {
    const builder = new GraphBuilder();
    builder.input({ name: 'x', datatype: 'FLOAT', shape });
    const largest = builder.node('ReduceMax', ['x'], { attributes: { keepdims: { int: 0 } } });
    const limit = builder.initializer({ name: 'limit', datatype: 'FLOAT', dims: [], data: new Uint8Array(4) });
    const body = (opType: string): ReturnType<GraphBuilder['build']> => {
      const inner = builder.subgraph();
      inner.output({ name: inner.node(opType, ['x']), datatype: 'FLOAT', shape });
      return inner.build(opType);
    };
    const attributes = { then_branch: { graph: body('Neg') }, else_branch: { graph: body('Abs') } };
    const y = builder.node('If', [builder.node('Greater', [largest, limit])], { attributes });
    builder.output({ name: y, datatype: 'FLOAT', shape });
    const path = join(temporaryFolder('hints'), 'branch.onnx');
    const model = {
      irVersion: IR_VERSION,
      opsets: { '': OPSET },
      producer: 'spec',
      graph: builder.build('g'),
      metadata: {},
    };
    writeFileSync(path, encodeModel(model));
    return path;
  };

  it.each<[what: string, shape: readonly (number | string | null)[]]>([
    ['free', ['batch', 3]],
    ['free and has no name', [null, 3]],
    // The rows of a model that takes so many only are filled up with those of other requests.
    ['fixed', [4, 3]],
  ])('say that a branch on data mixes them, where axis 0 is %s', async (_, shape) => {
    const { hints } = await onnx(branch(shape));
    expect(hints.mixing).toMatch(/^If "If:.*" branches on the data of all rows/);
  });

  it('say so of TorchScript with the line, also where the config fixes axis 0', async () => {
    for (const config of [{}, { input: [input('x', [4, 6])] }]) {
      const { hints } = await torchScript('control/early_return', config);
      expect(hints.mixing).toMatch(/branches on the data of all rows \(code\/\S+control\.py:\d+/);
    }
  });

  it('have the number of rows that the code demands, with the line, and the shapes of a trace', async () => {
    const { hints } = await torchScript('signature/batch_locked');
    expect(hints.fixedRows?.[0]).toEqual({ size: 2, source: expect.stringMatching(/signature\.py:\d+/) as string });
    expect(hints.examples?.shapes).toEqual(new Map([['x', [2, 1, 6, 6]]]));
    expect(hints.mixing).toBeUndefined();
  });

  it('are none where nothing is known', async () => {
    const { hints, warnings, graph } = await fixture('affine');
    expect([hints.mixing, warnings, graph]).toEqual([undefined, [], undefined]);
  });
});

it.each<[format: 'onnx' | 'torchscript']>([['onnx'], ['torchscript']])('refuses what is no %s file', async (format) => {
  const path = join(temporaryFolder('garbage'), 'model');
  writeFileSync(path, 'this is no model');
  await expect(kept(loadArtifact({ path, format }, {}, []))).rejects.toMatchObject({
    name: 'SconceError',
    code: 'model_invalid',
  });
});
