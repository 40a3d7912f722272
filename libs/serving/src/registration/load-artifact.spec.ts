import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { GraphBuilder, IR_VERSION, OPSET, encodeModel } from '@sconce/onnx';
import type { Tensor } from '@sconce/tensor';
import { fixturePath, temporaryFolder } from '@sconce/testing';
import { ArtifactLoader, casesIn, configTensor, inputsOf, numbersOf, runModel } from './testing/artifact-loader.ts';

const loader = new ArtifactLoader();
afterEach(() => loader.releaseAll());

describe('a model that is given cases', () => {
  it('is compiled for their types and ranks, and its inputs are bound to their tensors', async () => {
    const [first] = casesIn('signature/types');
    const model = await loader.torchScript('signature/types_script', {}, casesIn('signature/types_script'));
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

  it('uses the sizes of the config', async () => {
    const model = await loader.torchScript(
      'signature/rows_mixed_script',
      { input: [configTensor('x', [-1, 6])] },
      casesIn('signature/rows_mixed_script'),
    );
    expect(inputsOf(model)).toEqual(['x FP32[-1,6]']);
  });

  it.each<[what: string, change: (inputs: readonly Tensor[]) => readonly Tensor[], message: RegExp]>([
    ['too many tensors', (inputs) => [...inputs, ...inputs], /2 arguments, and forward takes 1/],
    ['a type that the model does not take', ([x]) => [{ ...(x as Tensor), datatype: 'INT32' }], /int32/],
    ['a rank that the model does not take', ([x]) => [{ ...(x as Tensor), shape: [72] }], /rank 1/],
  ])('is refused if they have %s', async (_, change, message) => {
    const [first] = casesIn('signature/batch_flat_script');
    const cases = [{ call: 0, inputs: change(first?.inputs ?? []), outputs: first?.outputs ?? [] }];
    await expect(loader.torchScript('signature/batch_flat_script', {}, cases)).rejects.toMatchObject({
      name: 'SconceError',
      message: expect.stringMatching(message) as string,
    });
  });

  it.each<[what: string, change: (inputs: readonly Tensor[]) => readonly Tensor[], message: RegExp]>([
    ['too few tensors', () => [], /takes 1 input \(x\), and 0 tensors came/],
    ['too many tensors', (inputs) => [...inputs, ...inputs], /takes 1 input \(x\), and 2 tensors came/],
    ['another type', ([x]) => [{ ...(x as Tensor), datatype: 'INT32' }], /x takes FP32, and the tensor is INT32/],
  ])('does not bind a later case with %s', async (_, change, message) => {
    const name = 'signature/rows_mixed_script';
    const [first, second] = casesIn(name);
    const model = await loader.torchScript(name, {}, first === undefined ? [] : [first]);
    const call = { tensors: change(second?.inputs ?? []), byName: false };
    expect(() => model.bind(call, model.state)).toThrow(message);
  });
});

it.each<[what: string, load: () => ReturnType<ArtifactLoader['onnx']>, unbounded: boolean]>([
  ['a loop whose length is an input', () => loader.onnx(fixturePath('slow')), true],
  ['a loop that ends on data', () => loader.torchScript('control/newton', {}, casesIn('control/newton')), true],
  ['loops over sizes', () => loader.torchScript('control/nested_loops', {}, casesIn('control/nested_loops')), false],
  [
    'a loop with a break, which an archive has as a while loop',
    () => loader.torchScript('control/break_continue'),
    true,
  ],
  ['no loop', () => loader.onnx(fixturePath('masked')), false],
])('sizes bound the time of a run, or not: %s', async (_, load, unbounded) => {
  expect((await load()).unbounded).toBe(unbounded);
});

describe('a model with state', () => {
  it('has the state among its inputs and outputs, and its first value', async () => {
    const name = 'state/stateful_sum';
    const cases = casesIn(name);
    const model = await loader.torchScript(name, {}, cases);
    expect([...model.state.values()].map(({ name: key, datatype, data }) => [key, datatype, data.length])).toEqual([
      ['calls', 'INT64', 8],
      ['total', 'FP32', 12],
    ]);
    expect(Object.fromEntries(model.stateInputs)).toEqual({ 'calls.next': 'calls', 'total.next': 'total' });
    // A call has the other inputs. The caller keeps the state and adds it.
    const [x] = cases[0]?.inputs ?? [];
    const bound = model.bind({ tensors: [x as Tensor], byName: false }, model.state);
    expect(bound.map((tensor) => tensor.name)).toEqual(model.session.signature.inputs.map((spec) => spec.name));
    const seven = { name: 'calls', datatype: 'INT64' as const, shape: [], data: new Uint8Array(8).fill(7, 0, 1) };
    const outputs = await runModel(model, [x as Tensor], new Map([...model.state, ['calls', seven]]));
    expect(numbersOf(outputs[1])).toEqual([8]);
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
    // A run of a fixed number of rows is filled up with rows of other requests.
    ['fixed', [4, 3]],
  ])('say that a branch on data mixes rows, if axis 0 is %s', async (_, shape) => {
    const { hints } = await loader.onnx(branch(shape));
    expect(hints.mixing).toMatch(/^If "If:.*" branches on the data of all rows/);
  });

  it('name the line for TorchScript, also if the config fixes axis 0', async () => {
    for (const config of [{}, { input: [configTensor('x', [4, 6])] }]) {
      const { hints } = await loader.torchScript('control/early_return', config);
      expect(hints.mixing).toMatch(/branches on the data of all rows \(code\/\S+control\.py:\d+/);
    }
  });

  it('have the number of rows that the code requires, with its line, and the shapes of a trace', async () => {
    const { hints } = await loader.torchScript('signature/batch_locked');
    expect(hints.fixedRows?.[0]).toEqual({ size: 2, source: expect.stringMatching(/signature\.py:\d+/) as string });
    expect(hints.examples?.shapes).toEqual(new Map([['x', [2, 1, 6, 6]]]));
    expect(hints.mixing).toBeUndefined();
  });

  it('are empty if nothing is known', async () => {
    const { hints, warnings, graph } = await loader.onnx(fixturePath('affine'));
    expect([hints.mixing, warnings, graph]).toEqual([undefined, [], undefined]);
  });
});

it.each<[format: 'onnx' | 'torchscript']>([['onnx'], ['torchscript']])(
  'refuses a file that is not %s',
  async (format) => {
    const path = join(temporaryFolder('garbage'), 'model');
    writeFileSync(path, 'this is not a model');
    await expect(loader.load({ path, format }, {}, [])).rejects.toMatchObject({
      name: 'SconceError',
      code: 'model_invalid',
    });
  },
);
