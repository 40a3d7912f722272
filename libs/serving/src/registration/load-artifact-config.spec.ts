import { afterEach, describe, expect, it } from 'vitest';
import type { ModelConfig } from '@sconce/contracts';
import { fixturePath, type FixtureModel } from '@sconce/testing';
import type { LoadedArtifact } from './load-artifact.ts';
import {
  ArtifactLoader,
  configTensor,
  floats,
  inputsOf,
  numbersOf,
  outputsOf,
  runModel,
} from './testing/artifact-loader.ts';

const loader = new ArtifactLoader();
afterEach(() => loader.releaseAll());
const fixture = (name: FixtureModel, config: ModelConfig = {}): Promise<LoadedArtifact> =>
  loader.onnx(fixturePath(name), config);

const refusal = (field: string, message: RegExp): object => ({
  name: 'SconceError',
  code: 'model_invalid',
  message: expect.stringMatching(message) as string,
  details: { param: `config.${field}` },
});

describe('inputs that a config gives to TorchScript', () => {
  it.each<[what: string, archive: string, config: ModelConfig, inputs: string[]]>([
    ['nothing', 'signature/rows_mixed_script', {}, ['x FP32[-1,-1]']],
    ['a shape', 'signature/rows_mixed_script', { input: [configTensor('x', [-1, 6])] }, ['x FP32[-1,6]']],
    [
      'another type',
      'signature/rows_mixed_script',
      { input: [configTensor('x', [-1, 6], 'TYPE_FP64')] },
      ['x FP64[-1,6]'],
    ],
    [
      'a shape without free axes',
      'signature/batch_flat_script',
      { input: [configTensor('x', [4, 1, 6, 6])] },
      ['x FP32[4,1,6,6]'],
    ],
    [
      'a shape without the batch axis, as Triton has it',
      'signature/rows_mixed_script',
      { max_batch_size: 8, input: [configTensor('x', [6])] },
      ['x FP32[-1,6]'],
    ],
    [
      'a whole shape with max_batch_size 0',
      'signature/rows_mixed_script',
      { max_batch_size: 0, input: [configTensor('x', [-1, 6])] },
      ['x FP32[-1,6]'],
    ],
    [
      'one of several',
      'signature/unused_argument_script',
      { input: [configTensor('y', [-1, 3]), configTensor('unused', [7])] },
      ['x FP32[-1,-1]', 'unused FP32[7]', 'y FP32[-1,3]'],
    ],
    [
      'several in an order of its own',
      'signature/unused_argument_script',
      { input: [configTensor('y', [-1, 3]), configTensor('unused', [-1]), configTensor('x', [5, 3])] },
      ['x FP32[5,3]', 'unused FP32[-1]', 'y FP32[-1,3]'],
    ],
    [
      'the keys of a dict',
      'signature/dictionary_argument_script',
      { input: [configTensor('x.a', [-1, 3]), configTensor('x.b', [-1, 3])] },
      ['x.a FP32[-1,3]', 'x.b FP32[-1,3]'],
    ],
    [
      'the parts of a list',
      'signature/list_argument_script',
      { input: [configTensor('parts.0', [-1, 3]), configTensor('parts.1', [-1, 2]), configTensor('parts.2', [-1, 1])] },
      ['parts.0 FP32[-1,3]', 'parts.1 FP32[-1,2]', 'parts.2 FP32[-1,1]'],
    ],
  ])('%s (%s)', async (_, archive, config, expected) => {
    expect(inputsOf(await loader.torchScript(archive, config))).toEqual(expected);
  });

  it.each<[what: string, archive: string, config: ModelConfig, field: string, message: RegExp]>([
    [
      'an input that the model does not have',
      'signature/rows_mixed_script',
      { input: [configTensor('z', [-1, 6])] },
      'input',
      /"z", which the model does not have: it takes x$/,
    ],
    // `xa` begins with `x`, but is not a part of it.
    [
      'a name that only begins like an input',
      'signature/rows_mixed_script',
      { input: [configTensor('xa', [-1, 6])] },
      'input',
      /"xa".*does not have/,
    ],
    [
      'a part that the tuple does not have',
      'signature/tuple_argument_script',
      { input: [configTensor('pair.7', [-1])] },
      'input',
      /"pair\.7".*"x", "pair\.0", "pair\.1"/,
    ],
    [
      'an input of a model without inputs',
      'signature/no_argument',
      { input: [configTensor('x', [-1])] },
      'input',
      /it takes nothing$/,
    ],
    [
      'a tensor for a number',
      'signature/numbers',
      { input: [configTensor('n', [])], arguments: { mode: 'sum' } },
      'input',
      /"n" is FP32\[\], and in the model it is INT64\[\]/,
    ],
    [
      'an output that the model does not have',
      'signature/rows_mixed_script',
      { output: [configTensor('y', [-1])] },
      'output',
      /"y".*its outputs are "output_0", "output_1", "output_2"/,
    ],
    [
      'an output of another type',
      'signature/rows_mixed_script',
      { output: [configTensor('output_0', [-1, -1], 'TYPE_INT64')] },
      'output',
      /"output_0" is INT64\[-1,-1\], and in the model it is FP32\[-1,-1\]/,
    ],
    [
      'an output of another rank',
      'signature/rows_mixed_script',
      { output: [configTensor('output_0', [-1])] },
      'output',
      /FP32\[-1\], and/,
    ],
  ])('are refused if they name %s (%s)', async (_, archive, config, field, message) => {
    await expect(loader.torchScript(archive, config)).rejects.toMatchObject(refusal(field, message));
  });

  it.each<[what: string, config: ModelConfig, message: RegExp]>([
    ['a rank that an operator does not take', { input: [configTensor('x', [-1, 36])] }, /aten::conv2d.*rank 2/s],
    [
      'a type that an operator does not take',
      { input: [configTensor('x', [-1, 1, 6, 6], 'TYPE_INT64')] },
      /int64; convert/,
    ],
    ['sizes that do not fit the weights', { input: [configTensor('x', [-1, 1, 7, 7])] }, /32 and 50/],
  ])('are refused if they have %s', async (_, config, message) => {
    await expect(loader.torchScript('signature/batch_flat_script', config)).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringMatching(message) as string,
    });
  });
});

describe('inputs and outputs that a config gives to ONNX', () => {
  it.each<[what: string, model: FixtureModel, config: ModelConfig]>([
    ['the same', 'affine', { input: [configTensor('x', [-1, 4])], output: [configTensor('y', [-1, 4])] }],
    [
      'the same without the batch axis',
      'affine',
      { max_batch_size: 4, input: [configTensor('x', [4])], output: [configTensor('y', [4])] },
    ],
    ['a size for a free axis', 'affine', { input: [configTensor('x', [2, 4])] }],
    ['a free axis for a size', 'affine', { input: [configTensor('x', [-1, -1])] }],
    [
      'one batch for a fixed size',
      'simple',
      { max_batch_size: 4, input: [configTensor('INPUT0', [16], 'TYPE_INT32')] },
    ],
    ['texts', 'every-type', { input: [configTensor('in_BYTES', [-1, 2], 'TYPE_STRING')] }],
  ])('may be %s', async (_, model, config) => {
    const plain = await fixture(model);
    // The config is compared with the file and does not change it.
    expect((await fixture(model, config)).session.signature).toEqual(plain.session.signature);
  });

  it.each<[what: string, model: FixtureModel, config: ModelConfig, field: string, message: RegExp]>([
    [
      'another name',
      'affine',
      { input: [configTensor('z', [-1, 4])] },
      'input',
      /names "z", which the model does not have: its inputs are "x"/,
    ],
    [
      'another type',
      'affine',
      { input: [configTensor('x', [-1, 4], 'TYPE_FP16')] },
      'input',
      /FP16\[-1,4\], and in the model it is FP32\[-1,4\]/,
    ],
    [
      'another size',
      'affine',
      { input: [configTensor('x', [-1, 5])] },
      'input',
      /FP32\[-1,5\], and in the model it is FP32\[-1,4\]/,
    ],
    [
      'the batch axis twice',
      'affine',
      { max_batch_size: 4, input: [configTensor('x', [-1, 4])] },
      'input',
      /FP32\[-1,-1,4\]/,
    ],
    ['no batch axis', 'affine', { input: [configTensor('x', [4])] }, 'input', /FP32\[4\]/],
    ['another output', 'simple', { output: [configTensor('OUTPUT0', [1, 16])] }, 'output', /"OUTPUT0" is FP32.* INT32/],
    ['a method', 'affine', { method: 'forward' }, 'method', /is for TorchScript files/],
    ['arguments', 'affine', { arguments: {} }, 'arguments', /is for TorchScript files/],
  ])('may not be %s', async (_, model, config, field, message) => {
    await expect(fixture(model, config)).rejects.toMatchObject(refusal(field, message));
  });
});

describe('arguments of a config', () => {
  const REST = { mode: 'none', power: 1 };
  const X = floats([1, 2], 3, -4);

  it('are fixed in the model, with numbers of the parameters’ types', async () => {
    const model = await loader.torchScript('signature/numbers', { arguments: { ...REST, n: 3, f: 2, flag: true } });
    expect(inputsOf(model)).toEqual(['x FP32[-1,-1]']);
    // Integers stay integers. A number for a float parameter is a float, however it is written.
    expect(outputsOf(model)).toEqual([
      'output_0 FP32[-1,-1]',
      'output_1 INT64[]',
      'output_2 FP64[]',
      'output_3 BOOL[]',
    ]);
    // y = -(|x| * f + n); n * 2; f + n; not flag.
    expect((await runModel(model, [X])).map(numbersOf)).toEqual([[-9, -11], [6], [5], [0]]);
  });

  it('decide which branches of the model are compiled', async () => {
    const model = await loader.torchScript('signature/numbers', {
      arguments: { mode: 'sum', power: 2, n: -1, f: 0.5, flag: false },
    });
    expect((await runModel(model, [X])).map(numbersOf)).toEqual([[10.5], [-2], [-0.5], [1]]);
  });

  it('may be given for some parameters: the others stay inputs', async () => {
    const model = await loader.torchScript('signature/numbers', { arguments: { ...REST, f: 2 } });
    expect(inputsOf(model)).toEqual(['x FP32[-1,-1]', 'n INT64[]', 'flag BOOL[]']);
  });

  it('may be None if the parameter is optional', async () => {
    const model = await loader.torchScript('signature/optional_results', { arguments: { y: null } });
    expect([inputsOf(model), outputsOf(model)]).toEqual([['x FP32[-1,-1]'], ['output_0 FP32[-1,-1]']]);
  });

  it.each<[what: string, given: NonNullable<ModelConfig['arguments']>, message: RegExp]>([
    [
      'a name that the model does not have',
      { depth: 3 },
      /"depth", which the model does not have: it takes x, n, f, flag, power, mode$/,
    ],
    ['a fraction for an integer', { n: 1.5 }, /gives 1\.5 for "n", which takes an integer/],
    ['a text for an integer', { n: '3' }, /gives "3" for "n", which takes an integer/],
    ['true for an integer', { power: true }, /gives true for "power", which takes an integer/],
    ['null for a parameter that is not optional', { n: null }, /gives null for "n"/],
    ['a text for a number', { f: '0.5' }, /gives "0\.5" for "f", which takes a number/],
    ['true for a number', { f: true }, /gives true for "f"/],
    ['1 for true', { flag: 1 }, /gives 1 for "flag", which takes true or false/],
    ['a number for a text', { mode: 3 }, /gives 3 for "mode", which takes a text/],
    ['a number for a tensor', { x: 3 }, /gives 3 for "x", which takes a tensor.*"input"/],
  ])('are refused if they have %s', async (_, given, message) => {
    await expect(loader.torchScript('signature/numbers', { arguments: { ...REST, ...given } })).rejects.toMatchObject(
      refusal('arguments', message),
    );
  });

  it('are refused if they have a number for an optional tensor', async () => {
    await expect(loader.torchScript('signature/optional_results', { arguments: { y: 3 } })).rejects.toMatchObject(
      refusal('arguments', /gives 3 for "y", which takes None or a tensor/),
    );
  });
});

describe('the method of a config', () => {
  it('is compiled instead of forward, with its own parameters', async () => {
    const other = await loader.torchScript('values/helpers', { method: 'other', input: [configTensor('x', [-1, 2])] });
    expect((await runModel(other, [floats([1, 2], 1, 2)])).map(numbersOf)).toEqual([[101, 102]]);
    const twice = await loader.torchScript('values/helpers', {
      method: 'twice',
      arguments: { times: 4 },
      input: [configTensor('x', [-1, 2])],
    });
    expect((await runModel(twice, [floats([1, 2], 1, 2)])).map(numbersOf)).toEqual([[6, 12]]);
  });

  it('is refused if the model does not have it, with the methods it has', async () => {
    await expect(loader.torchScript('values/helpers', { method: 'predict' })).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringMatching(/no method predict; it has .*forward/) as string,
    });
    await expect(
      loader.torchScript('values/helpers', { method: 'other', arguments: { times: 4 } }),
    ).rejects.toMatchObject(refusal('arguments', /"times", which the model does not have: it takes x$/));
  });
});
