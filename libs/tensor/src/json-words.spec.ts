import { describe, expect, it } from 'vitest';
import { decodeInferRequest } from './oip-request.ts';
import { decodeInferSteps } from './sliced/infer-steps.ts';
import { runToEnd } from './sliced/steps.ts';
import type { Datatype, ModelSignature } from './datatype.ts';
import { fromBfloat16Bits } from './bfloat16.ts';
import { viewOf } from './typed-view.ts';

type Float = 'FP16' | 'FP32' | 'FP64' | 'BF16';

const signatureOf = (datatype: Datatype): ModelSignature => ({
  inputs: [{ name: 'x', datatype, shape: [-1, 2] }],
  outputs: [],
});
const bodyOf = (datatype: Datatype, rows: number, data: string): Buffer =>
  Buffer.from(
    `{"id":"NaN [Infinity]","inputs":[{"name":"x","datatype":"${datatype}","shape":[${rows},2],"data":${data}}]}`,
  );

/** The numbers of both decoders, which must agree. */
function decoded(datatype: Float, rows: number, data: string): number[] {
  const request = { body: bodyOf(datatype, rows, data), signature: signatureOf(datatype) };
  const once = decodeInferRequest(request);
  expect(runToEnd(decodeInferSteps(request))).toEqual(once);
  expect(once.id).toBe('NaN [Infinity]');
  const [tensor] = once.inputs;
  if (tensor === undefined) throw new Error('no input');
  return datatype === 'BF16'
    ? Array.from(viewOf({ ...tensor, datatype }), fromBfloat16Bits)
    : Array.from(viewOf({ ...tensor, datatype }) as Float32Array);
}

describe.each(['FP16', 'FP32', 'FP64', 'BF16'] as const)('%s takes NaN and infinities', (datatype) => {
  it.each([
    ['as the words of Python and RapidJSON', '[NaN, Infinity,-Infinity ,1]'],
    ['as words in nested data', '[[NaN,Infinity],[ -Infinity,1]]'],
    ['as strings', '["NaN","Infinity","-Infinity",1]'],
    ['as strings in nested data', '[["NaN","Infinity"],["-Infinity",1]]'],
    ['as both', '[NaN,"Infinity",-Infinity,1]'],
  ])('%s', (_form, data) => {
    expect(decoded(datatype, 2, data)).toEqual([NaN, Infinity, -Infinity, 1]);
  });
});

it('takes words in data of more than one step', () => {
  const rows = 60_000;
  const elements = Array.from({ length: 2 * rows }, (_, index) => ['NaN', '-Infinity', '0.5'][index % 3]);
  const numbers = elements.map(Number);
  expect(decoded('FP32', rows, `[${elements.join()}]`)).toEqual(numbers);
});

it('reads text that is full of quotes and words in linear time', () => {
  const text = '{"inputs":["' + '\\"NaN '.repeat(200_000);
  const started = process.cpuUsage();
  expect(() => decodeInferRequest({ body: Buffer.from(text), signature: signatureOf('FP32') })).toThrow(
    /ends too early/,
  );
  const { user } = process.cpuUsage(started);
  // Quadratic time would be minutes.
  expect(user / 1e6).toBeLessThan(10);
});
