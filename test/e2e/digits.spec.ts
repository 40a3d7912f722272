import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import { viewOf, type Tensor } from '@sconce/tensor';
import { expectClose } from '@sconce/testing';
import { startStack } from '../support/stack.ts';

// A model that PyTorch trained runs through the whole system. Its outputs are compared with PyTorch's for real rows.

const EXAMPLE = new URL('../../examples/digits/', import.meta.url);
const reference = JSON.parse(readFileSync(new URL('reference.json', EXAMPLE), 'utf8')) as {
  readonly predictions: readonly number[];
  readonly logits: readonly (readonly number[])[];
};
const rows = readFileSync(new URL('heldout.csv', EXAMPLE), 'utf8')
  .trimEnd()
  .split('\n')
  .slice(1)
  .map((line) => line.split(',').slice(2).map(Number));

function pixels(from: number, to: number): Tensor {
  const data = new Uint8Array(Float32Array.from(rows.slice(from, to).flat()).buffer);
  return { name: 'pixels', datatype: 'FP32', shape: [to - from, 64], data };
}

const logitsOf = (outputs: readonly Tensor[]): Float32Array => viewOf({ ...(outputs[0] as Tensor), datatype: 'FP32' });

it('gives PyTorch’s outputs for every held-out row, also when requests are merged', async () => {
  const stack = await startStack();
  const client = new SconceClient({ url: stack.url });
  const { name, version } = await client.models.push(
    'digits',
    new Uint8Array(readFileSync(new URL('digits.onnx', EXAMPLE))),
  );
  const model = await client.models.waitUntilReady(name, version);
  expect(model.batch?.axis).toBe('dynamic');

  const whole = await client.infer('digits', { inputs: [pixels(0, rows.length)], binary: true });
  const logits = logitsOf(whole.outputs);
  const best = rows.map((_, row) => {
    const own = [...logits.subarray(row * 10, row * 10 + 10)];
    return own.indexOf(Math.max(...own));
  });
  expect(best).toEqual(reference.predictions);
  expectClose(logits.subarray(0, 80), Float32Array.from(reference.logits.flat()), { rtol: 1e-4, atol: 1e-5 });

  // One request per row, all at the same time: they are merged in any order, and the numbers stay the same.
  const alone = await Promise.all(
    rows
      .slice(0, 60)
      .map((_, row) => client.infer('digits', { inputs: [pixels(row, row + 1)], binary: row % 2 === 0 })),
  );
  alone.forEach(({ outputs }, row) => {
    expectClose(logitsOf(outputs), logits.subarray(row * 10, row * 10 + 10), { rtol: 1e-4, atol: 1e-5 });
  });
});
