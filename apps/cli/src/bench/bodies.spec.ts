import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { decodeInferRequest, encodeSafetensors, viewOf, type TensorSpec } from '@sconce/tensor';
import { UsageError } from '../output/failure.ts';
import { bodiesOfFile, parseShape, randomBodies, type BenchBodies } from './bodies.ts';

const x: TensorSpec = { name: 'x', datatype: 'FP32', shape: [-1, 4] };
const image: TensorSpec = { name: 'image', datatype: 'FP16', shape: [-1, 3, -1, -1] };
const ids: TensorSpec = { name: 'ids', datatype: 'INT64', shape: [-1, 2] };
const mask: TensorSpec = { name: 'mask', datatype: 'BOOL', shape: [-1] };

const inputsOf = ({ bodies }: BenchBodies, specs: readonly TensorSpec[]) =>
  bodies.map(
    ({ body, headerLength }) =>
      decodeInferRequest({ body, headerLength, signature: { inputs: specs, outputs: [] } }).inputs,
  );

describe('the requests of a load generator', () => {
  it('have random values and the number of rows asked for, and differ from each other', () => {
    const specs = [x, ids, mask];
    const made = randomBodies(specs, { rows: 3, shapes: new Map(), binary: true });
    const calls = inputsOf(made, specs);
    expect(made.rows).toBe(3);
    expect(calls).toHaveLength(16);
    expect(new Set(made.bodies.map(({ body }) => body.toString('base64'))).size).toBe(16);
    for (const [values, indices, flags] of calls) {
      expect([values?.shape, indices?.shape, flags?.shape]).toEqual([[3, 4], [3, 2], [3]]);
      const floats = [...viewOf({ ...values!, datatype: 'FP32' })];
      expect(floats.every((value) => value >= 0 && value < 1)).toBe(true);
      expect([...viewOf({ ...indices!, datatype: 'INT64' })].every((value) => value >= 0n && value < 10n)).toBe(true);
    }
  });

  it('have the full shapes given for free axes, and are fewer if they are large', () => {
    const small = randomBodies([image], { rows: 1, shapes: new Map([['image', [2, 3, 8, 8]]]), binary: true });
    expect(inputsOf(small, [image])[0]?.[0]?.shape).toEqual([2, 3, 8, 8]);
    const large = randomBodies([image], { rows: 1, shapes: new Map([['image', [1, 3, 1024, 1024]]]), binary: true });
    expect(large.bodies.length).toBe(5);
  });

  it.each<[string, () => unknown, RegExp, RegExp]>([
    [
      'free axes without sizes',
      () => randomBodies([image], { rows: 1, shapes: new Map(), binary: true }),
      /free axes: \[-1,3,-1,-1\]/,
      /--shape image:1,3,8,8/,
    ],
    [
      'a shape of another rank',
      () => randomBodies([image], { rows: 1, shapes: new Map([['image', [1, 3]]]), binary: true }),
      /takes shape \[-1,3,-1,-1\], not \[1,3\]/,
      /./,
    ],
    [
      'a shape that contradicts a fixed size',
      () => randomBodies([x], { rows: 1, shapes: new Map([['x', [1, 5]]]), binary: true }),
      /not \[1,5\]/,
      /./,
    ],
    [
      'a shape for an unknown input',
      () => randomBodies([x], { rows: 1, shapes: new Map([['y', [1]]]), binary: true }),
      /no input "y"/,
      /Its inputs are: x/,
    ],
    [
      'strings',
      () => randomBodies([{ name: 's', datatype: 'BYTES', shape: [-1] }], { rows: 1, shapes: new Map(), binary: true }),
      /takes strings/,
      /--in FILE/,
    ],
    ['--shape without sizes', () => parseShape('x'), /cannot be read/, /x:1,3/],
    ['--shape with a free size', () => parseShape('x:1,-1'), /cannot be read/, /./],
  ])('refuses %s', (_, make, message, hint) => {
    expect(make).toThrow(UsageError);
    expect(make).toThrow(
      expect.objectContaining({ message: expect.stringMatching(message), hint: expect.stringMatching(hint) }),
    );
  });

  it('reads --shape, also for names with colons', () => {
    expect(parseShape('a:b:1,2')).toEqual(['a:b', [1, 2]]);
  });

  it('are the call of a file, or all calls of a cases file', async () => {
    const folder = temporaryFolder();
    const row = (...values: number[]) => ({
      datatype: 'FP32' as const,
      shape: [values.length / 4, 4],
      data: new Uint8Array(Float32Array.from(values).buffer),
    });
    const one = join(folder, 'one.safetensors');
    writeFileSync(one, encodeSafetensors([{ name: 'x', ...row(1, 2, 3, 4) }]));
    const made = await bodiesOfFile(one, [x], { binary: true });
    expect(made.rows).toBe(1);
    expect(inputsOf(made, [x]).map(([input]) => [...viewOf({ ...input!, datatype: 'FP32' })])).toEqual([[1, 2, 3, 4]]);
    const cases = join(folder, 'cases.safetensors');
    const y = row(0, 0, 0, 0);
    writeFileSync(
      cases,
      encodeSafetensors([
        { name: '0.in.0', ...row(1, 2, 3, 4) },
        { name: '0.out.0', ...y },
        { name: '1.in.0', ...row(5, 6, 7, 8, 9, 10, 11, 12) },
        { name: '1.out.0', ...y },
      ]),
    );
    const both = await bodiesOfFile(cases, [x], { binary: true });
    expect(both.rows).toBe(1.5);
    expect(inputsOf(both, [x]).map(([input]) => input?.shape)).toEqual([
      [1, 4],
      [2, 4],
    ]);
  });
});
