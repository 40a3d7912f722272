import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { ModelConfig } from '@sconce/contracts';
import { GraphBuilder, IR_VERSION, OPSET, encodeModel } from '@sconce/onnx';
import { casesOf, decodeSafetensors, type CallCase, type Tensor, type TensorSpec } from '@sconce/tensor';
import { fixturePath, temporaryFolder, type FixtureModel } from '@sconce/testing';
import { loadArtifact, type LoadedArtifact } from './load-artifact.ts';
import { makeCheck, proveModel, runAll, type ProvedModel } from './prove-model.ts';

const opened: LoadedArtifact[] = [];
afterEach(async () => {
  for (const { session } of opened.splice(0)) await session.release();
});
async function fixture(model: FixtureModel, config: ModelConfig = {}): Promise<LoadedArtifact> {
  const loaded = await loadArtifact({ path: fixturePath(model), format: 'onnx' }, config, []);
  opened.push(loaded);
  return loaded;
}
const archive = (name: string): string =>
  fileURLToPath(new URL(`../../../../test/conformance/cases/${name}`, import.meta.url));
const casesIn = (name: string): CallCase[] => casesOf(decodeSafetensors(readFileSync(archive(`${name}.safetensors`))));

async function torchScript(name: string, config: ModelConfig, cases: readonly CallCase[]): Promise<LoadedArtifact> {
  const loaded = await loadArtifact({ path: archive(`${name}.pt`), format: 'torchscript' }, config, cases);
  opened.push(loaded);
  return loaded;
}

type ConfigTensor = NonNullable<ModelConfig['input']>[number];
const said = (name: string, dims: number[], type: ConfigTensor['data_type'] = 'TYPE_FP32'): ConfigTensor => ({
  name,
  data_type: type,
  dims,
});
const texts = (specs: readonly TensorSpec[]): string[] => specs.map(({ name, shape }) => `${name}[${shape.join(',')}]`);
const shapesOf = ({ signature }: ProvedModel): string =>
  [...texts(signature.inputs), '->', ...texts(signature.outputs)].join(' ');
const floats = (shape: readonly number[], ...values: number[]): Tensor => ({
  name: '0.in.0',
  datatype: 'FP32',
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});

describe('proveModel', () => {
  it.each<[what: string, model: FixtureModel, config: ModelConfig, shapes: string, axis: string]>([
    ['as the file has it', 'affine', {}, 'x[-1,4] -> y[-1,4]', 'dynamic'],
    ['with a largest batch', 'affine', { max_batch_size: 8 }, 'x[-1,4] -> y[-1,4]', 'dynamic'],
    ['alone, as the config says', 'affine', { max_batch_size: 0 }, 'x[-1,4] -> y[-1,4]', 'none'],
    [
      'with a number of rows that the config fixes',
      'affine',
      { input: [said('x', [2, 4])] },
      'x[-1,4] -> y[-1,4]',
      'locked:2',
    ],
    [
      'with the rows that it declares',
      'simple',
      {},
      'INPUT0[-1,16] INPUT1[-1,16] -> OUTPUT0[-1,16] OUTPUT1[-1,16]',
      'locked:1',
    ],
    [
      'alone, with the rows that it declares',
      'simple',
      { max_batch_size: 0 },
      'INPUT0[1,16] INPUT1[1,16] -> OUTPUT0[1,16] OUTPUT1[1,16]',
      'none',
    ],
    ['alone, as its rows mix', 'row-mixing', {}, 'x[-1,4] -> y[-1,4]', 'none'],
    [
      'alone, in the shape that the config says',
      'row-mixing',
      { input: [said('x', [3, 4])], output: [said('y', [3, 4])] },
      'x[3,4] -> y[3,4]',
      'none',
    ],
    ['alone, as it gives no rows', 'nonzero', { input: [said('x', [5])] }, 'x[5] -> y[1,-1]', 'none'],
  ])('a model is served %s', async (_, name, config, shapes, axis) => {
    const model = await fixture(name, config);
    const proved = await proveModel(model, config, []);
    const { batch } = proved;
    expect(batch.axis === 'locked' ? `locked:${batch.size}` : batch.axis).toBe(axis);
    expect(shapesOf(proved)).toBe(shapes);
    expect(batch.evidence.length).toBeGreaterThan(10);
    // Inputs on which it runs.
    expect((await runAll(model, proved.call)).length).toBe(model.session.signature.outputs.length);
    if (axis !== 'none')
      expect(batch).toMatchObject({ inputs: model.session.signature.inputs.map((input) => input.name) });
    else expect(batch.inputs).toBeUndefined();
  });

  it('reports the finding if the config overrules it', async () => {
    const config = { max_batch_size: 0 };
    const { batch } = await proveModel(await fixture('affine'), config, []);
    expect(batch).toEqual({
      axis: 'none',
      evidence: expect.stringMatching(/^the config says max_batch_size 0 \(found: dynamic, rows run alone/) as string,
    });
  });

  it.each<[model: FixtureModel, why: RegExp]>([
    ['row-mixing', /rows influence each other/],
    ['nonzero', /no output has as many rows as the inputs/],
  ])('a batch size is refused for %s, whose rows may not share a run', async (name, why) => {
    const error = {
      code: 'model_invalid',
      message: expect.stringMatching(
        /^the config says max_batch_size 8, but .*Remove max_batch_size, or set it to 0/,
      ) as string,
      details: { param: 'config.max_batch_size' },
    };
    const proving = proveModel(await fixture(name), { max_batch_size: 8 }, []);
    await expect(proving).rejects.toMatchObject(error);
    await expect(proving).rejects.toThrow(why);
  });

  it('rows of a model that branches on data never share a run, also if their number is fixed', async () => {
    const config = { input: [said('x', [4, 6])] };
    const { batch, signature } = await proveModel(await torchScript('control/early_return', config, []), config, []);
    expect(batch).toMatchObject({ axis: 'none', evidence: expect.stringMatching(/branches on the data/) as string });
    expect(texts(signature.inputs)).toEqual(['x[4,6]']);
  });

  it.each([
    ['chosen', 'none', /^axis 0 of "y" may depend on the data of the row: Compress .* picks by the data/],
    [1, 'locked', /^only 1 row runs at a time/],
  ])('one row of a model that picks rows by data gives %s rows: its batch axis is %s', async (rows, axis, evidence) => {
    const builder = new GraphBuilder();
    builder.input({ name: 'x', datatype: 'FLOAT', shape: [1, 4] });
    const data = new Uint8Array(Float32Array.of(-1_000).buffer);
    const low = builder.initializer({ name: 'low', datatype: 'FLOAT', dims: [], data });
    const largest = builder.node('ReduceMax', ['x'], { attributes: { keepdims: { int: 0 } } });
    const isChosen = builder.node('Greater', [largest, low]);
    const one = {
      name: 'one',
      datatype: 'INT64',
      dims: [1],
      data: new Uint8Array(BigInt64Array.of(1n).buffer),
    } as const;
    const mask = builder.node('Reshape', [isChosen, builder.initializer(one)]);
    const chosen = builder.node('Compress', ['x', mask], { attributes: { axis: { int: 0 } } });
    builder.nodes('Identity', [chosen], { names: ['y'] });
    builder.output({ name: 'y', datatype: 'FLOAT', shape: [rows, 4] });
    const path = join(temporaryFolder('prove'), 'model.onnx');
    const about = { irVersion: IR_VERSION, opsets: { '': OPSET }, producer: 'spec', metadata: {} };
    writeFileSync(path, encodeModel({ ...about, graph: builder.build('g') }));
    const model = await loadArtifact({ path, format: 'onnx' }, {}, []);
    opened.push(model);
    const { batch } = await proveModel(model, {}, []);
    expect(batch).toMatchObject({ axis, evidence: expect.stringMatching(evidence) as string });
  });

  it('unknown sizes are taken from the config', async () => {
    const name = 'signature/batch_flat_script';
    const config = { max_batch_size: 16, input: [said('x', [1, 6, 6])] };
    const proved = await proveModel(await torchScript(name, config, []), config, []);
    expect(shapesOf(proved)).toBe('x[-1,1,6,6] -> output_0[-1,3]');
    expect(proved.call.map(({ shape }) => shape)).toEqual([[3, 1, 6, 6]]);
  });

  it('a model runs in the form of its first case', async () => {
    // Only the case shows that the model takes indices below ten: it fails on other inputs.
    const index: Tensor = {
      name: '0.in.0',
      datatype: 'INT64',
      shape: [2, 1],
      data: new Uint8Array(BigInt64Array.of(3n, 9n).buffer),
    };
    const cases: CallCase[] = [{ call: 0, inputs: [index], outputs: [] }];
    const { batch, call } = await proveModel(await fixture('lookup'), {}, cases);
    expect(batch.axis).toBe('dynamic');
    expect(call.map(({ name, datatype }) => [name, datatype])).toEqual([['index', 'INT64']]);
  });

  it.each<[what: string, inputs: readonly Tensor[], message: RegExp]>([
    ['too few tensors', [], /The model takes 1 input \(x\), and 0 tensors came/],
    ['too many tensors', [floats([1, 4], 1, 2, 3, 4), floats([1, 4], 1, 2, 3, 4)], /and 2 tensors came/],
    ['another type', [{ ...floats([1, 2], 1, 2, 3, 4), datatype: 'INT64' }], /x takes FP32, and the tensor is INT64/],
  ])('a first case of %s is refused', async (_, inputs, message) => {
    const cases: CallCase[] = [{ call: 0, inputs, outputs: [] }];
    await expect(proveModel(await fixture('affine'), {}, cases)).rejects.toMatchObject({
      code: 'invalid_tensor',
      message: expect.stringMatching(message) as string,
    });
  });

  it('a first case of another shape is not used, and the parity report shows its error', async () => {
    const cases: CallCase[] = [{ call: 0, inputs: [floats([2, 2], 1, 2, 3, 4)], outputs: [] }];
    expect((await proveModel(await fixture('affine'), {}, cases)).batch.axis).toBe('dynamic');
  });

  it('a model that runs on no probe is refused, with the inputs whose sizes the config must give', async () => {
    const config = { input: [said('x', [-1, 3, 6, 6])] };
    const model = await torchScript('signature/batch_flat_script', config, []);
    await expect(proveModel(model, config, [])).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringMatching(/no inputs were found on which the model runs.*"x"/) as string,
      details: { inputs: ['x'] },
    });
  });

  it('state is among the inputs on which it runs', async () => {
    const name = 'state/stateful_sum';
    const cases = casesIn(name);
    const { call, batch } = await proveModel(await torchScript(name, {}, cases), {}, cases);
    expect(batch.axis).toBe('none');
    expect(call.map((tensor) => tensor.name)).toEqual(['x', 'calls', 'total']);
  });
});

describe('makeCheck', () => {
  it('keeps a call and the model’s outputs, as a case', async () => {
    const model = await fixture('affine');
    const bytes = await makeCheck(model, [{ ...floats([1, 4], 0, 1, 2, 3), name: 'x' }]);
    const [one, ...more] = casesOf(decodeSafetensors(bytes ?? new Uint8Array()));
    expect(more).toEqual([]);
    const values = (tensors: readonly Tensor[] | undefined): number[][] =>
      (tensors ?? []).map(({ data }) => [...new Float32Array(data.slice().buffer)]);
    expect([values(one?.inputs), values(one?.outputs)]).toEqual([[[0, 1, 2, 3]], [[1, 3, 5, 7]]]);
  });

  it('is made for every model that gives the same outputs again', async () => {
    for (const name of ['affine', 'simple', 'row-mixing', 'lookup', 'nonzero'] as const) {
      const model = await fixture(name);
      const { call } = await proveModel(model, {}, []);
      const check = casesOf(decodeSafetensors((await makeCheck(model, call)) ?? new Uint8Array()));
      expect(check[0]?.inputs.length).toBe(model.session.signature.inputs.length);
      expect(check[0]?.outputs.length).toBe(model.session.signature.outputs.length);
    }
  });

  /** A model whose runs `change` changes. */
  const changed = (model: LoadedArtifact, change: (output: Tensor, run: number) => Tensor): LoadedArtifact => {
    let runs = 0;
    const run: LoadedArtifact['session']['run'] = async (inputs, names, into) => {
      const outputs = await model.session.run(inputs, names, into);
      runs++;
      return outputs.map((output) => change(output, runs));
    };
    return { ...model, session: { signature: model.session.signature, run } as LoadedArtifact['session'] };
  };
  const scaled =
    (factor: number) =>
    (output: Tensor, run: number): Tensor => ({
      ...output,
      data: new Uint8Array(
        Float32Array.from(new Float32Array(output.data.slice().buffer), (v) => v * factor ** run).buffer,
      ),
    });

  it.each<[what: string, change: (output: Tensor, run: number) => Tensor, isKept: boolean]>([
    ['the same each time', (output) => output, true],
    ['rounded in another way each time', scaled(1 + 1e-5), true],
    ['random', scaled(1.1), false],
    ['of another size each time', (output, run) => ({ ...output, shape: [run, 4 / run] }), false],
  ])('for outputs that are %s is made only if they can be compared', async (_, change, isKept) => {
    const model = changed(await fixture('affine'), change);
    const check = await makeCheck(model, [{ ...floats([1, 4], 0, 1, 2, 3), name: 'x' }]);
    expect(check !== undefined).toBe(isKept);
  });

  it('is not made of tensors that its file cannot hold, or of too many bytes', async () => {
    const every = await fixture('every-type');
    const { call } = await proveModel(every, {}, []);
    expect(call.some(({ datatype }) => datatype === 'BYTES')).toBe(true);
    expect(await makeCheck(every, call)).toBeUndefined();

    // In and out, 32 MiB and a row more.
    const rows = (16 * 1024 ** 2) / 16 + 1;
    const zeros = (count: number): Tensor[] => [
      { name: 'x', datatype: 'FP32', shape: [count, 4], data: new Uint8Array(count * 16) },
    ];
    const affine = await fixture('affine');
    expect(await makeCheck(affine, zeros(rows))).toBeUndefined();
    expect((await makeCheck(affine, zeros(rows - 1)))?.byteLength).toBeGreaterThan(32 * 1024 ** 2);
  });

  it('fails if the call does not run', async () => {
    const wrong = [{ ...floats([2, 2], 0, 1, 2, 3), name: 'x' }];
    await expect(makeCheck(await fixture('affine'), wrong)).rejects.toMatchObject({ code: 'invalid_input' });
  });
});

it('runAll gives outputs that the next run does not change', async () => {
  const model = await fixture('affine');
  const first = await runAll(model, [{ ...floats([1, 4], 0, 1, 2, 3), name: 'x' }]);
  await runAll(model, [{ ...floats([1, 4], 9, 9, 9, 9), name: 'x' }]);
  expect([...new Float32Array(first[0]?.data.slice().buffer ?? new ArrayBuffer())]).toEqual([1, 3, 5, 7]);
});
