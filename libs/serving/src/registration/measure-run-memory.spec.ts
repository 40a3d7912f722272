import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  explainRunMemory,
  rowsForMemory,
  runMemoryOf,
  type ModelBatch,
  type RunMemory,
  type RunMemoryLimit,
} from '@sconce/contracts';
import { GraphBuilder, IR_VERSION, OPSET, encodeModel, type OnnxDim } from '@sconce/onnx';
import { encodeFrame, type Tensor } from '@sconce/tensor';
import { temporaryFolder } from '@sconce/testing';
import { RegistrationProcesses } from './testing/registration-process.ts';

const folder = temporaryFolder('run-memory');
const processes = new RegistrationProcesses(folder);
const MIB = 1024 ** 2;

/** Saves a model with these inputs and one output. */
function model(
  name: string,
  inputs: Readonly<Record<string, readonly OnnxDim[]>>,
  make: (g: GraphBuilder) => string,
): string {
  const builder = new GraphBuilder();
  for (const [input, shape] of Object.entries(inputs)) builder.input({ name: input, datatype: 'FLOAT', shape });
  builder.output({ name: make(builder), datatype: 'FLOAT', shape: undefined });
  return save(name, builder);
}

function save(name: string, builder: GraphBuilder): string {
  const path = join(folder, `${name}.onnx`);
  const graph = builder.build('g');
  writeFileSync(
    path,
    encodeModel({ irVersion: IR_VERSION, opsets: { '': OPSET }, producer: 'spec', graph, metadata: {} }),
  );
  return path;
}

/** Softmax of all products of the elements: memory in the square of the length. */
const attention = (): string =>
  model('attention', { x: ['n', 'length', 4] }, (g) => {
    const turned = g.node('Transpose', ['x'], { attributes: { perm: { ints: [0, 2, 1] } } });
    return g.node('MatMul', [g.node('Softmax', [g.node('MatMul', ['x', turned])]), 'x']);
  });

const floats = (name: string, shape: readonly number[]): Tensor => ({
  name,
  datatype: 'FP32',
  shape,
  data: new Uint8Array(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i % 7) / 7).buffer),
});
const DYNAMIC: ModelBatch = { axis: 'dynamic', evidence: '', inputs: ['x'] };
const NONE: ModelBatch = { axis: 'none', evidence: '' };
const shape = (...sizes: number[]): { name: string; shape: number[] }[] => [{ name: 'x', shape: sizes }];

/** Measured in a registration process, because the settings of its allocator matter. */
async function measure(path: string, call: readonly Tensor[], batch: ModelBatch): Promise<RunMemory | undefined> {
  const measured = { call: encodeFrame({ meta: null, tensors: call }), batch };
  const { error, messages } = await processes.run(processes.optimiseTask(path, { measure: measured }));
  expect(error).toBeUndefined();
  return messages.flatMap((message) => (message.kind === 'run_measured' ? [message.runMemory] : []))[0];
}

async function measured(path: string, call: readonly Tensor[], batch: ModelBatch): Promise<RunMemory> {
  const memory = await measure(path, call, batch);
  if (memory === undefined) throw new Error('the memory could not be measured');
  return memory;
}

// On systems without peaks of memory nothing is measured.
describe.runIf(process.platform === 'linux')('the memory of a run', () => {
  it('grows with the rows and the square of the length', async () => {
    const memory = await measured(attention(), [floats('x', [2, 5, 4])], DYNAMIC);
    expect(memory.growth.map(({ axes, rows }) => [axes, rows])).toEqual([
      [[{ input: 'x', axis: 1 }], false],
      [[{ input: 'x', axis: 0 }], true],
    ]);
    // At least one matrix of all products, and no more than a few.
    const square = (length: number): number => length * length * 4;
    for (const length of [2_000, 30_000]) {
      expect(runMemoryOf(memory, shape(1, length, 4)) / square(length)).toBeGreaterThan(0.9);
      expect(runMemoryOf(memory, shape(1, length, 4)) / square(length)).toBeLessThan(4);
      expect(runMemoryOf(memory, shape(8, length, 4)) / runMemoryOf(memory, shape(1, length, 4))).toBeCloseTo(8, -1);
    }
    const limited = (limit: number): RunMemoryLimit => ({ need: memory, limit, setting: 'A_SETTING' });
    expect(() => rowsForMemory(limited(512 * MIB), { axis: 'dynamic', inputs: shape(1, 30_000, 4) })).toThrow(
      /needs \d+ bytes of memory \(\d+\.\d MiB, times \S+ for x\[axis 1\] = 30000, .*; allowed are 536870912\. .*A_SETTING/,
    );
    const rows = rowsForMemory(limited(64 * MIB), { axis: 'dynamic', inputs: shape(64, 1_000, 4) });
    expect(rows).toBeGreaterThan(3);
    expect(rows).toBeLessThan(20);
    expect(runMemoryOf(memory, shape(64, 1_000, 4), rows)).toBeLessThanOrEqual(64 * MIB);
    expect(runMemoryOf(memory, shape(64, 1_000, 4), rows + 1)).toBeGreaterThan(64 * MIB);
    expect(explainRunMemory(memory, shape(1, 30_000, 4))).toMatch(
      /MiB, times \S+ for x\[axis 1\] = 30000, measured at \d+, times/,
    );
  });

  it('grows with sizes that inputs share as with one size', async () => {
    const path = model('pair', { x: ['length', 4], y: [4, 'length'] }, (g) => g.node('MatMul', ['y', 'x']));
    const memory = await measured(path, [floats('x', [6, 4]), floats('y', [4, 6])], NONE);
    const axes = memory.growth.flatMap((growth) => growth.axes);
    expect(memory.growth.length).toBeLessThanOrEqual(1);
    if (axes.length > 0) expect(axes).toHaveLength(2);
  });

  it('grows with each of two sizes that are equal by chance', async () => {
    const path = model('outer', { x: ['a', 1], y: [1, 'b'] }, (g) => g.node('MatMul', ['x', 'y']));
    const memory = await measured(path, [floats('x', [8, 1]), floats('y', [1, 8])], NONE);
    expect(memory.growth).toHaveLength(2);
    const need = runMemoryOf(memory, [
      { name: 'x', shape: [10, 1] },
      { name: 'y', shape: [1, 100_000] },
    ]);
    expect(need / (10 * 100_000 * 4)).toBeLessThan(5);
    expect(need / (10 * 100_000 * 4)).toBeGreaterThan(0.5);
  });

  it('does not grow beyond sizes that the model refuses', async () => {
    const path = model('fixed', { x: ['n', 4] }, (g) => {
      const size = g.initializer({
        name: 'size',
        datatype: 'INT64',
        dims: [2],
        data: new Uint8Array(BigInt64Array.of(2n, 4n).buffer),
      });
      return g.node('Reshape', ['x', size]);
    });
    const memory = await measured(path, [floats('x', [2, 4])], NONE);
    expect(memory.growth).toEqual([]);
  });

  it('is not measured for texts', async () => {
    const textModel = (): string => {
      const builder = new GraphBuilder();
      builder.input({ name: 'x', datatype: 'STRING', shape: ['n'] });
      builder.output({ name: builder.node('Identity', ['x']), datatype: 'STRING', shape: ['n'] });
      return save('texts', builder);
    };
    const text: Tensor = { name: 'x', datatype: 'BYTES', shape: [1], data: Uint8Array.of(0, 0, 0, 0) };
    expect(await measure(textModel(), [text], NONE)).toBeUndefined();
  });
});
