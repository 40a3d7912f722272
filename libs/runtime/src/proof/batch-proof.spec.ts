import { statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { sliceRows, viewOf, type Tensor, type TensorSpec } from '@sconce/tensor';
import { fixturePath, type FixtureModel } from '@sconce/testing';
import { OnnxSession } from '../onnx-session.ts';
import type { BatchHints, ProvableModel } from './batch-finding.ts';
import { proveBatchAxis } from './batch-proof.ts';

const spec = (name: string, shape: readonly number[], datatype: TensorSpec['datatype'] = 'FP32'): TensorSpec => ({
  name,
  datatype,
  shape,
});
const floats = (name: string, shape: readonly number[], values: Iterable<number>): Tensor => ({
  name,
  datatype: 'FP32',
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});
const values = (tensor: Tensor | undefined): number[] => [...viewOf(tensor as Tensor & { datatype: 'FP32' })];
const rowsOf = (tensor: Tensor | undefined): number[][] =>
  Array.from({ length: tensor?.shape[0] ?? 0 }, (_, row) => values(sliceRows(tensor as Tensor, row, row + 1)));
const refuse = (why: string): never => {
  throw new SconceError('inference_failed', why);
};

/** A model of one input x [rows, 4] and one output y, written in JavaScript. */
function model(
  compute: (rows: number[][], x: Tensor) => number[][],
  shapes: { readonly in?: readonly number[]; readonly out?: readonly number[] } = {},
): ProvableModel {
  return {
    signature: { inputs: [spec('x', shapes.in ?? [-1, 4])], outputs: [spec('y', shapes.out ?? [-1, -1])] },
    run: async ([x]) => {
      await Promise.resolve();
      const rows = compute(rowsOf(x), x as Tensor);
      return [floats('y', [rows.length, rows[0]?.length ?? 0], rows.flat())];
    },
  };
}

const double = (rows: number[][]): number[][] => rows.map((row) => row.map((value) => 2 * value));
const mean = (rows: number[][]): number => rows.flat().reduce((sum, value) => sum + value, 0) / rows.flat().length;
const takes = (size: number, compute = double) =>
  model((rows) => (rows.length === size ? compute(rows) : refuse(`${rows.length} rows`)));
let calls = 0;

describe('the proof of the batch axis', () => {
  it.each<[what: string, model: ProvableModel, axis: string, evidence: RegExp, hints?: BatchHints]>([
    ['rows apart', model(double), 'dynamic', /\(2, 3, 5, 7, 33\)/],
    [
      'the mean of all rows',
      model((rows) => rows.map((row) => row.map((value) => value - mean(rows)))),
      'none',
      /influence/,
    ],
    ['the row before', model((rows) => rows.map((row, i) => rows[i - 1] ?? row)), 'none', /influence/],
    [
      'its place among the rows',
      model((rows) => rows.map((row, i) => row.map((value) => value + i))),
      'none',
      /influence/,
    ],
    [
      'a table of 16 rows',
      model((rows) => (rows.length > 16 ? refuse('too many') : double(rows))),
      'none',
      /33 rows do not run/,
    ],
    [
      'one row is squeezed',
      model((rows) => (rows.length === 1 ? rows[0]!.map((v) => [v]) : double(rows))),
      'none',
      /1 row gave/,
    ],
    ['a sum over the rows', model((rows) => [[mean(rows)]]), 'none', /no output has as many rows/],
    ['the same for every row', model((rows) => rows.map(() => [1])), 'none', /do not show whether rows influence/],
    ['nothing but NaN', model((rows) => rows.map(() => [NaN])), 'none', /do not show whether rows influence/],
    ['random numbers', model((rows) => rows.map(([a = 0]) => [a + ++calls])), 'none', /random/],
    ['two rows only', takes(2), 'locked:2', /only 2 rows run at a time/, { fixedRows: [{ size: 7 }, { size: 2 }] }],
    ['two rows that mix', takes(2, (rows) => rows.toReversed()), 'none', /influence/, { fixedRows: [{ size: 2 }] }],
    [
      'two rows, which only an example shows',
      takes(2),
      'locked:2',
      /only 2/,
      { examples: { shapes: new Map([['x', [2, 4]]]) } },
    ],
    ['a declared size', model(double, { in: [3, 4], out: [3, 4] }), 'locked:3', /declares axis 0 as 3/],
    ['a declared size of one', model(double, { in: [1, 4], out: [1, 4] }), 'locked:1', /only 1 row runs/],
    ['an axis of another kind', model(() => [[1]], { in: [3, 4], out: [1, 1] }), 'none', /fixed at 3/],
    ['control flow', model(double), 'none', /an If/, { mixing: 'an If branches on the data of all rows' }],
  ])('finds of a model with %s', async (_, made, axis, evidence, hints) => {
    const found = await proveBatchAxis(made, hints);
    expect(found.axis === 'locked' ? `locked:${found.size}` : found.axis).toBe(axis);
    expect(found.evidence).toMatch(evidence);
    expect(found.call[0]?.shape.length).toBe(2);
  });

  it('counts a deviation as rounding if a change of the last digits has the same effect', async () => {
    // Ill-conditioned: a difference of large numbers. Other rows in the group add noise of the same size.
    const noisy = (factor: number) =>
      model((rows) => rows.map((row) => row.map((a) => Math.sin(a * 3e3) + factor * 1e-3 * (rows.length > 1 ? 1 : 0))));
    expect(await proveBatchAxis(noisy(0.6))).toMatchObject({
      axis: 'dynamic',
      maxDeviation: expect.closeTo(6e-4, 3) as number,
    });
    expect(await proveBatchAxis(noisy(60))).toMatchObject({ axis: 'none' });
  });

  it('distinguishes inputs with rows from inputs that all rows share', async () => {
    const shared: ProvableModel = {
      signature: { inputs: [spec('x', [-1, 4]), spec('scale', [])], outputs: [spec('y', [-1, 4])] },
      run: async ([x, scale]) => {
        await Promise.resolve();
        return [
          floats(
            'y',
            x!.shape,
            values(x).map((value) => value * (values(scale)[0] ?? 0)),
          ),
        ];
      },
    };
    const found = await proveBatchAxis(shared);
    expect(found).toMatchObject({ axis: 'dynamic', inputs: ['x'], sizes: [1, 2, 3, 5, 7, 33] });
    expect(found.call.map(({ shape }) => shape)).toEqual([[3, 4], []]);
  });

  it('finds sizes and ranges on which a model runs, and tries those of its examples first', async () => {
    const picky: ProvableModel = {
      signature: { inputs: [spec('ids', [-1, -1], 'INT64')], outputs: [spec('y', [-1, 1])] },
      run: async ([ids]) => {
        await Promise.resolve();
        const [rows = 0, length = 0] = ids!.shape;
        if (length !== 5) refuse('the length is 5');
        const numbers = [...viewOf(ids as Tensor & { datatype: 'INT64' })].map(Number);
        if (numbers.some((id) => id >= 8)) refuse('no such id');
        return [
          floats(
            'y',
            [rows, 1],
            Array.from(
              { length: rows },
              (_, i) => numbers.slice(5 * i, 5 * i + 5).join('').length + (numbers[5 * i] ?? 0),
            ),
          ),
        ];
      },
    };
    expect(await proveBatchAxis(picky)).toMatchObject({ axis: 'dynamic' });
    let runs = 0;
    const call = [
      {
        name: 'ids',
        datatype: 'INT64' as const,
        shape: [1, 5],
        data: new Uint8Array(new BigInt64Array([1n, 7n, 0n, 2n, 3n]).buffer),
      },
    ];
    const counted = { ...picky, run: (inputs: readonly Tensor[]) => ((runs += 1), picky.run(inputs)) };
    expect(await proveBatchAxis(counted, { examples: { call } })).toMatchObject({ axis: 'dynamic' });
    expect(runs).toBeLessThan(20);
  });

  it('names the inputs to describe if the model runs on no probe', async () => {
    const never = model(() => refuse('no way'));
    await expect(proveBatchAxis(never)).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringMatching(/no way.*--cases.*"x"/) as string,
      details: { inputs: ['x'] },
    });
  });

  it.each<[FixtureModel, string]>([
    ['affine', 'dynamic'],
    ['lookup', 'dynamic'],
    ['every-type', 'dynamic'],
    ['simple', 'locked'],
    ['row-mixing', 'none'],
    ['nonzero', 'none'],
  ])('finds the axis of %s in ONNX Runtime to be %s', async (name, axis) => {
    expect(statSync(fixturePath(name)).size).toBeGreaterThan(0);
    const session = await OnnxSession.open(fixturePath(name), { intraOpThreads: 1 });
    const outputs = session.signature.outputs.map((output) => output.name);
    const run = async (inputs: readonly Tensor[]): Promise<Tensor[]> =>
      (await session.run(inputs, outputs, new Map())).map((output) => ({ ...output, data: output.data.slice() }));
    expect(await proveBatchAxis({ signature: session.signature, run })).toMatchObject({ axis });
    await session.release();
  });
});
