import { expect, it } from 'vitest';
import type { RowBlock } from '../row-block.ts';
import { readRequests, type RequestModel } from './request-lines.ts';

const ENDPOINT = '/v2/models/m/infer';
const model = (budget?: RequestModel['budget']): RequestModel => ({
  signature: {
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
  },
  rowInputs: new Set(['x']),
  endpoint: ENDPOINT,
  budget,
});

function blockOf(...bodies: readonly unknown[]): RowBlock {
  const rows = bodies.map((body, index) => [`id-${index}`, 'POST', ENDPOINT, body]);
  return { firstRow: 0, rows: rows.length, cells: { by: 'row', rows, at: [0, 1, 2, 3] }, problems: new Map() };
}

const bodyOf = (elements: number): object => ({
  inputs: [{ name: 'x', datatype: 'FP32', shape: [elements], data: Array.from({ length: elements }, () => 1) }],
});

it('a line over its budget fails, the others do not', () => {
  const limits = { elements: { limit: 4, setting: 'a' }, json_values: { limit: 14, setting: 'b' } };
  const codesWith = (budget: RequestModel['budget']): unknown[] =>
    readRequests(blockOf(bodyOf(4), bodyOf(5), bodyOf(900)), model(budget)).map(({ problem }) => problem?.code);
  expect(codesWith(undefined)).toEqual([undefined, undefined, undefined]);
  expect(codesWith({ elements: limits.elements })).toEqual([undefined, 'over_budget', 'over_budget']);
  expect(codesWith({ json_values: limits.json_values })).toEqual([undefined, undefined, 'over_budget']);
});

it('a body of many levels is a bad line that says so', () => {
  let deep: unknown = 1;
  for (let level = 0; level < 100_000; level++) deep = [deep];
  const [line] = readRequests(blockOf({ inputs: deep }), model());
  expect(line?.problem).toMatchObject({ code: 'invalid_request', message: expect.stringMatching(/nested too deeply/) });
});
