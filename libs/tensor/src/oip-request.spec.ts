import { SconceError } from '@sconce/errors';
import { describe, expect, it } from 'vitest';
import {
  bytesElements,
  decodeInferRequest,
  parseInferHead,
  viewOf,
  type ModelSignature,
  type Tensor,
} from './index.ts';

const SIMPLE: ModelSignature = {
  inputs: [
    { name: 'INPUT0', datatype: 'INT32', shape: [-1, 16] },
    { name: 'INPUT1', datatype: 'INT32', shape: [-1, 16] },
  ],
  outputs: [
    { name: 'OUTPUT0', datatype: 'INT32', shape: [-1, 16] },
    { name: 'OUTPUT1', datatype: 'INT32', shape: [-1, 16] },
  ],
};

/** A signature with one input `x`, a numeric output and a BYTES output. */
const one = (datatype: Tensor['datatype'], shape: number[]): ModelSignature => ({
  inputs: [{ name: 'x', datatype, shape }],
  outputs: [
    { name: 'y', datatype: 'FP32', shape: [-1, 3] },
    { name: 'label', datatype: 'BYTES', shape: [-1] },
  ],
});

const json = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const decode = (value: unknown, signature: ModelSignature) => decodeInferRequest({ body: json(value), signature });
const values = (tensor: Tensor | undefined) => {
  if (tensor === undefined || tensor.datatype === 'BYTES') throw new Error('expected a fixed-width tensor');
  return [...viewOf({ ...tensor, datatype: tensor.datatype })];
};

describe('a request as JSON', () => {
  it.each([
    ['flat', [1, 2, 3, 4, 5, 6]],
    ['nested', [[1, 2, 3], [4, 5, 6]]], // prettier-ignore
  ])('accepts %s data', (_, data) => {
    const request = decode(
      { id: 'a', parameters: { priority: 1 }, inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 3], data }] },
      one('FP32', [-1, 3]),
    );
    expect(request).toMatchObject({ id: 'a', parameters: { priority: 1 }, inputs: [{ name: 'x', shape: [2, 3] }] });
    expect(values(request.inputs[0])).toEqual([1, 2, 3, 4, 5, 6]);
    expect(request.outputs).toEqual([
      { name: 'y', binary: false },
      { name: 'label', binary: false },
    ]);
  });

  it('accepts null for absent fields, scalars and empty tensors', () => {
    const scalar = { name: 'x', datatype: 'INT8', shape: [], parameters: null };
    for (const data of [7, [7]]) {
      const request = decode({ id: null, outputs: null, inputs: [{ ...scalar, data }] }, one('INT8', []));
      expect(values(request.inputs[0])).toEqual([7]);
      expect('id' in request).toBe(false);
    }
    const empty = { name: 'x', datatype: 'INT8', shape: [0, 3] };
    expect(decode({ inputs: [{ ...empty, data: [] }] }, one('INT8', [-1, 3])).inputs[0]?.data.length).toBe(0);
    const hollow = { name: 'x', datatype: 'INT8', shape: [2, 0], data: [[], []] };
    expect(decode({ inputs: [hollow] }, one('INT8', [-1, -1])).inputs[0]?.data.length).toBe(0);
  });

  it.each([
    [
      'INT64',
      '[9007199254740993, -9223372036854775808, 9223372036854775807, -1, -4294967297]',
      [9007199254740993n, -(2n ** 63n), 2n ** 63n - 1n, -1n, -4294967297n],
    ],
    [
      'UINT64',
      '[18446744073709551615, 9007199254740993, 0, 4294967296, 1]',
      [2n ** 64n - 1n, 9007199254740993n, 0n, 2n ** 32n, 1n],
    ],
    [
      'FP64',
      '[9007199254740993, 1e2, 0.1234567890123456789, -0, 12345678901234567890]',
      [9007199254740992, 100, 0.12345678901234568, -0, 12345678901234567000],
    ],
    [
      'FP32',
      '[16777217, 0.1, 12345678901234567890, -0, 3.4028234e38]',
      [16777216, Math.fround(0.1), Math.fround(12345678901234567890), -0, Math.fround(3.4028234e38)],
    ],
    ['FP16', '[2049, 2051, 65504, 0.1, 65519]', [2048, 2052, 65504, 0.0999755859375, 65504]],
  ] as const)('keeps %s numbers exactly', (datatype, data, expected) => {
    const request = decode(
      `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[5],"data":${data}}]}`,
      one(datatype, [5]),
    );
    expect(values(request.inputs[0])).toEqual(expected);
  });

  it('keeps a long integer as scalar data and makes it a number in unknown fields', () => {
    const text =
      '{"version":[12345678901234567890],"parameters":{"data":12345678901234567890},"inputs":[{"name":"x","datatype":"INT64","shape":[],"data":9007199254740993}]}';
    const head = parseInferHead({ body: json(text) });
    expect(head.extra).toEqual({ version: [12345678901234567000] });
    expect(head.parameters).toEqual({ data: 12345678901234567000 });
    expect(values(decode(text, one('INT64', [])).inputs[0])).toEqual([9007199254740993n]);
  });

  it('gives the requested outputs in order, each with its own form', () => {
    const input = { name: 'x', datatype: 'INT8', shape: [1], data: [1] };
    const ask = (outputs: unknown, parameters?: unknown) =>
      decode({ inputs: [input], outputs, parameters }, one('INT8', [1])).outputs;
    expect(
      ask([
        { name: 'label', parameters: { binary_data: true } },
        { name: 'y', parameters: { classification: 2 } },
      ]),
    ).toEqual([
      { name: 'label', binary: true },
      { name: 'y', binary: false, classification: 2 },
    ]);
    expect(
      ask([{ name: 'y', parameters: { binary_data: false } }, { name: 'label' }], { binary_data_output: true }),
    ).toEqual([
      { name: 'y', binary: false },
      { name: 'label', binary: true },
    ]);
    expect(ask([], { binary_data_output: true }).every((output) => output.binary)).toBe(true);
  });

  it('keeps unknown top-level fields in the head', () => {
    const head = parseInferHead({ body: json('{"model":"m","version":"3","__proto__":{"a":1},"inputs":[]}') });
    expect(head.extra).toMatchObject({ model: 'm', version: '3' });
    expect(Object.getPrototypeOf(head.extra)).toBe(Object.prototype);
  });
});

describe('a request with binary inputs', () => {
  // INPUT1 is listed first, so its 64 bytes come first: 16 ones, then the numbers 0 to 15.
  const ones = '01000000'.repeat(16);
  const numbers =
    '00000000010000000200000003000000' +
    '04000000050000000600000007000000' +
    '08000000090000000a0000000b000000' +
    '0c0000000d0000000e0000000f000000';
  const head =
    '{"inputs":[{"name":"INPUT1","shape":[1,16],"datatype":"INT32","parameters":{"binary_data_size":64}},' +
    '{"name":"INPUT0","shape":[1,16],"datatype":"INT32","parameters":{"binary_data_size":64}}],' +
    '"outputs":[{"name":"OUTPUT1","parameters":{"binary_data":true}},{"name":"OUTPUT0","parameters":{"binary_data":false}}]}';
  const body = Buffer.concat([Buffer.from(head), Buffer.from(ones + numbers, 'hex')]);

  it('reads them in their order as views of the body', () => {
    const request = decodeInferRequest({ body, headerLength: head.length, signature: SIMPLE });
    expect(request.inputs.map(({ name }) => name)).toEqual(['INPUT0', 'INPUT1']);
    expect(values(request.inputs[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    expect(values(request.inputs[1])).toEqual(Array.from({ length: 16 }, () => 1));
    expect(request.inputs.every(({ data }) => data.buffer === body.buffer)).toBe(true);
    expect(request.outputs).toEqual([
      { name: 'OUTPUT1', binary: true },
      { name: 'OUTPUT0', binary: false },
    ]);
  });

  it('reads BYTES, and JSON inputs together with binary inputs', () => {
    const signature: ModelSignature = {
      inputs: [
        { name: 's', datatype: 'BYTES', shape: [-1] },
        { name: 'n', datatype: 'UINT8', shape: [2] },
      ],
      outputs: [],
    };
    const mixed =
      '{"inputs":[{"name":"n","shape":[2],"datatype":"UINT8","data":[7,8]},' +
      '{"name":"s","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}}]}';
    const request = decodeInferRequest({
      body: Buffer.concat([Buffer.from(mixed), Buffer.from('020000006869' + '01000000ff', 'hex')]),
      headerLength: mixed.length,
      signature,
    });
    const [s, n] = request.inputs;
    expect(s && bytesElements(s).map((element) => Buffer.from(element).toString('hex'))).toEqual(['6869', 'ff']);
    expect(values(n)).toEqual([7, 8]);
  });

  it('refuses a body that is cut at any byte or too long', () => {
    for (let length = 0; length < body.length; length++) {
      const act = () =>
        decodeInferRequest({ body: body.subarray(0, length), headerLength: head.length, signature: SIMPLE });
      expect(act).toThrow(SconceError);
      if (length >= head.length + 64) expect(act).toThrow(expect.objectContaining({ details: { param: 'INPUT0' } }));
    }
    const long = { body: Buffer.concat([body, Buffer.of(1, 2)]), headerLength: head.length, signature: SIMPLE };
    expect(() => decodeInferRequest(long)).toThrow(/2 surplus bytes.*expected 128 bytes after the JSON, got 130/);
  });
});

describe('a raw binary request', () => {
  const raw = (hex: string, signature: ModelSignature) =>
    decodeInferRequest({ body: Buffer.from(hex, 'hex'), headerLength: 0, signature });

  it.each([
    ['a batch of one', one('FP32', [-1, 2]), '0000803f00000040', [1, 2], [1, 2]],
    ['several rows', one('FP32', [-1, 1]), '0000803f00000040', [2, 1], [1, 2]],
    ['a free inner axis', one('UINT16', [1, -1]), '010002000300', [1, 3], [1, 2, 3]],
    ['no free axis', one('INT8', [2]), 'ff01', [2], [-1, 1]],
  ] as const)('is %s', (_, signature, hex, shape, expected) => {
    const request = raw(hex, signature);
    expect(request.inputs[0]?.shape).toEqual(shape);
    expect(values(request.inputs[0])).toEqual(expected);
    expect(request.outputs).toEqual([
      { name: 'y', binary: true },
      { name: 'label', binary: true },
    ]);
  });

  it('is one BYTES element without a length prefix', () => {
    for (const shape of [[1], [-1], [-1, 1]]) {
      const [input] = raw('68690a', one('BYTES', shape)).inputs;
      expect(input?.shape).toEqual(shape.map(() => 1));
      expect(Buffer.from(input?.data ?? []).toString('hex')).toBe('03000000' + '68690a');
    }
  });

  it.each([
    ['two inputs', SIMPLE, '00', 'invalid_request', /exactly one input.*"INPUT0" INT32\[-1,16\], "INPUT1"/],
    [
      'two free axes',
      one('FP32', [-1, -1]),
      '00000000',
      'invalid_request',
      /one free axis; the input is FP32\[-1,-1\], with 2/,
    ],
    [
      'a broken row',
      one('FP32', [-1, 2]),
      '00000000',
      'invalid_tensor',
      /has 4 bytes; FP32\[-1,2\] takes a multiple of 8/,
    ],
    ['too many bytes', one('FP32', [1]), '0000000000', 'invalid_tensor', /has 5 bytes; FP32\[1\] takes 4/],
    ['empty rows', one('FP32', [-1, 0]), '00', 'invalid_tensor', /has 1 bytes/],
    [
      'several BYTES elements',
      one('BYTES', [2]),
      '00',
      'invalid_request',
      /needs shape \[1\]; the input is BYTES\[2\]/,
    ],
    ['an invalid BOOL', one('BOOL', [-1]), '0002', 'invalid_tensor', /BOOL byte 1 is 2/],
  ] as const)('is refused with %s', (_, signature, hex, code, message) => {
    expect(() => raw(hex, signature)).toThrow(message);
    expect(() => raw(hex, signature)).toThrow(expect.objectContaining({ code }));
  });
});
