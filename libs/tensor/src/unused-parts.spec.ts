import { expect, it } from 'vitest';
import type { SconceError } from '@sconce/errors';
import { decodeInferRequest } from './oip-request.ts';

const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
} as const;
const x = { name: 'x', datatype: 'FP32', shape: [1], data: [1] };

function unusedOf(request: object): readonly string[] | undefined {
  const body = Buffer.from(JSON.stringify({ inputs: [x], ...request }));
  return decodeInferRequest({ body, signature }).unused;
}

it.each([
  ['nothing', {}, undefined],
  ['what the protocol has', { id: 'a', parameters: { timeout: 1, priority: 1, binary_data_output: false } }, undefined],
  [
    'an output with its parameters',
    { outputs: [{ name: 'y', parameters: { classification: 1, binary_data: false } }] },
    undefined,
  ],
  ['a field', { model: 'm' }, ['model']],
  ['a parameter', { parameters: { headers: 'x', timeout: 1 } }, ['parameters.headers']],
  [
    'a parameter of an input',
    { inputs: [{ ...x, parameters: { content_type: 'np' } }] },
    ['inputs[0].parameters.content_type'],
  ],
  ['a field of an input', { inputs: [{ ...x, dtype: 'FP32' }] }, ['inputs[0].dtype']],
  ['a parameter of an output', { outputs: [{ name: 'y', parameters: { top: 1 } }] }, ['outputs[0].parameters.top']],
  ['a field of an output', { outputs: [{ name: 'y', shape: [1] }] }, ['outputs[0].shape']],
  [
    'no sequence, as some clients write it',
    { parameters: { sequence_id: 0, sequence_start: false, sequence_end: false } },
    undefined,
  ],
])('names the unused parts of a request that has %s', (_what, request, unused) => {
  expect(unusedOf(request)).toEqual(unused);
});

it('names some of many', () => {
  const parameters = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`p${index}`, 1]));
  expect(unusedOf({ parameters })).toHaveLength(9);
});

const region = { name: 'y', parameters: { shared_memory_region: 'r' } };

it.each([
  ['sequence_id', { parameters: { sequence_id: 7 } }],
  ['sequence_id', { parameters: { sequence_id: 'seven' } }],
  ['sequence_start', { parameters: { sequence_start: true } }],
  ['sequence_end', { parameters: { sequence_end: true } }],
  ['shared_memory_region', { inputs: [{ ...x, parameters: { shared_memory_region: 'r' } }] }],
  ['shared_memory_region', { outputs: [region] }],
])('refuses %s by name', (param, request) => {
  expect(() => unusedOf(request)).toThrow(
    expect.objectContaining({ code: 'invalid_request', details: { param } }) as SconceError,
  );
});
