import { gzipSync } from 'node:zlib';
import { json } from './stack.ts';

const x = (over: object): object => ({
  inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4], ...over }],
});
const binary = (head: object, tail: Buffer, headerLength?: string): RequestInit => {
  const text = Buffer.from(JSON.stringify(head));
  return {
    method: 'POST',
    headers: { 'inference-header-content-length': headerLength ?? String(text.byteLength) },
    body: Buffer.concat([text, tail]),
  };
};
const raw = (body: string | Buffer, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  headers,
  body,
});
const binaryX = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], parameters: { binary_data_size: 16 } }] };

/** Name of the case, the request to `affine` (at a server that takes bodies of 1,000,000 bytes), the expected status and message. */
export const BAD_REQUESTS: [string, RequestInit, number, RegExp][] = [
  ['a wrong datatype', json(x({ datatype: 'INT32' })), 400, /"x".*INT32.*expected FP32/],
  ['an unknown datatype', json(x({ datatype: 'FLOAT' })), 400, /"x".*FLOAT/],
  ['a wrong dimension', json(x({ shape: [1, 5], data: [1, 2, 3, 4, 5] })), 400, /"x".*\[1,5\].*\[-1,4\]/],
  ['a wrong rank', json(x({ shape: [4] })), 400, /"x".*\[4\].*\[-1,4\]/],
  ['a wrong name', json(x({ name: 'z' })), 400, /"z".*no such input.*"x"/],
  ['a missing input', json({ inputs: [] }), 400, /"x"/],
  ['no inputs at all', json({}), 400, /inputs/],
  [
    'an extra input',
    json({ inputs: [...(x({}) as { inputs: [] }).inputs, { name: 'extra', datatype: 'FP32', shape: [1], data: [1] }] }),
    400,
    /"extra"/,
  ],
  [
    'an input given twice',
    json({ inputs: [...(x({}) as { inputs: [] }).inputs, ...(x({}) as { inputs: [] }).inputs] }),
    400,
    /"x".*twice/,
  ],
  ['too few values', json(x({ data: [1, 2, 3] })), 400, /"x".*3.*4/],
  ['too many values', json(x({ data: [1, 2, 3, 4, 5] })), 400, /"x".*5.*4/],
  ['a string for a number', json(x({ data: [1, 2, '3', 4] })), 400, /"x"/],
  ['null for a number', json(x({ data: [1, null, 3, 4] })), 400, /"x"/],
  [
    'ragged rows',
    json(
      x({
        shape: [2, 4],
        data: [
          [1, 2, 3, 4],
          [5, 6, 7],
        ],
      }),
    ),
    400,
    /"x"/,
  ],
  [
    'a word that is not NaN',
    raw('{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,nan,3,4]}]}'),
    400,
    /nan.*"x"/,
  ],
  ['a number beyond FP32', json(x({ data: [1, 2, 3, 1e39] })), 400, /"x"/],
  ['an absurd size', json(x({ shape: [9_007_199_254_740_991, 4], data: [] })), 400, /"x"/],
  ['a negative dimension', json(x({ shape: [-1, 4] })), 400, /"x"/],
  ['an unknown output', json({ ...x({}), outputs: [{ name: 'nope' }] }), 400, /"nope"/],
  ['garbage', raw(Buffer.from([0, 255, 17, 3])), 400, /JSON|UTF-8/],
  ['an empty body', raw(''), 400, /empty/],
  ['JSON that is no object', json([1]), 400, /object/],
  ['a truncated tensor', binary(binaryX, Buffer.alloc(15)), 400, /"x".*16/],
  ['surplus bytes', binary(binaryX, Buffer.alloc(17)), 400, /1/],
  [
    'a size that lies',
    binary({ inputs: [{ ...binaryX.inputs[0], parameters: { binary_data_size: 12 } }] }, Buffer.alloc(12)),
    400,
    /"x".*12.*16/,
  ],
  ['a header longer than the body', binary(binaryX, Buffer.alloc(16), '99999'), 400, /99999/],
  ['a header length that is no number', binary(binaryX, Buffer.alloc(16), 'many'), 400, /many/],
  ['a raw request of the wrong size', raw(Buffer.alloc(13), { 'inference-header-content-length': '0' }), 400, /13/],
  ['corrupt gzip', raw('not gzip at all', { 'content-encoding': 'gzip' }), 400, /./],
  ['an unknown encoding', raw('{}', { 'content-encoding': 'snappy' }), 415, /./],
  ['a body over the limit', raw(Buffer.alloc(1_000_001)), 413, /1000000/],
  ['a body far over the limit', raw(Buffer.alloc(30_000_000)), 413, /1000000/],
  ['a gzip bomb', raw(gzipSync(Buffer.alloc(20_000_000)), { 'content-encoding': 'gzip' }), 413, /1000000/],
  ['a bad timeout', json({ ...x({}), parameters: { timeout: -5 } }), 400, /timeout/],
  ['a bad priority', json({ ...x({}), parameters: { priority: 256 } }), 400, /priority/],
];
