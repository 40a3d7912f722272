import { describe, expect, it } from 'vitest';
import {
  bytesElements,
  classify,
  decodeInferResponse,
  encodeBytes,
  encodeInferResponse,
  type RequestedOutput,
  type Tensor,
} from './index.ts';

const raw = (view: ArrayBufferView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const sum: Tensor = { name: 'sum', datatype: 'INT32', shape: [1, 2], data: raw(Int32Array.of(1, -2)) };
const text: Tensor = { name: 'text', datatype: 'BYTES', shape: [2], data: encodeBytes(['hé', '"']) };
const encode = (outputs: Tensor[], requested: RequestedOutput[], id?: string) =>
  encodeInferResponse({ modelName: 'm', modelVersion: '1', id, outputs, requested });
const jsonOf = (tensor: Tensor) => encode([tensor], [{ name: tensor.name, binary: false }]).body.toString();

describe('a response', () => {
  it('is JSON if no output is binary, in the requested order', () => {
    const { body, ...headers } = encode(
      [sum, text],
      [
        { name: 'text', binary: false },
        { name: 'sum', binary: false },
      ],
      'id1',
    );
    expect(headers).toEqual({ contentType: 'application/json' });
    expect(JSON.parse(body.toString())).toEqual({
      model_name: 'm',
      model_version: '1',
      id: 'id1',
      outputs: [
        { name: 'text', datatype: 'BYTES', shape: [2], data: ['hé', '"'] },
        { name: 'sum', datatype: 'INT32', shape: [1, 2], data: [1, -2] },
      ],
    });
  });

  it('has binary outputs after the JSON and the other outputs in the JSON', () => {
    const { contentType, headerLength, body } = encode(
      [sum, text],
      [
        { name: 'text', binary: false },
        { name: 'sum', binary: true },
      ],
    );
    expect(contentType).toBe('application/octet-stream');
    expect(body.toString('utf8', 0, headerLength)).toBe(
      '{"model_name":"m","model_version":"1","outputs":[' +
        '{"name":"text","datatype":"BYTES","shape":[2],"data":["hé","\\""]},' +
        '{"name":"sum","datatype":"INT32","shape":[1,2],"parameters":{"binary_data_size":8}}]}',
    );
    expect(body.toString('hex', headerLength)).toBe('01000000feffffff');
  });

  it.each<[Tensor['datatype'], ArrayBufferView, string]>([
    ['FP32', Float32Array.of(NaN, Infinity, -Infinity, -0, 0.5), '[null,"Infinity","-Infinity",-0,0.5]'],
    ['FP16', Float16Array.of(NaN, 65504), '[null,65504]'],
    ['BF16', Uint16Array.of(0x7f80, 0x3fc0), '["Infinity",1.5]'],
    ['FP64', Float64Array.of(0.1, 1e21, 5e-324), '[0.1,1e+21,5e-324]'],
    ['INT64', BigInt64Array.of(-(2n ** 63n), 9007199254740993n), '[-9223372036854775808,9007199254740993]'],
    ['UINT64', BigUint64Array.of(2n ** 64n - 1n), '[18446744073709551615]'],
    ['BOOL', Uint8Array.of(1, 0), '[true,false]'],
  ])('writes %s numbers as valid JSON', (datatype, view, data) => {
    const shape = [(view as Uint8Array).length];
    const body = jsonOf({ name: 'y', datatype, shape, data: raw(view) });
    expect(body).toContain(`"data":${data}}`);
    expect(() => void JSON.parse(body)).not.toThrow();
    const back = decodeInferResponse(Buffer.from(body)).outputs[0];
    expect(Buffer.from(back?.data ?? []).equals(raw(view))).toBe(true);
  });

  it('copies from shared memory', () => {
    const data = new Uint8Array(new SharedArrayBuffer(8));
    const { body, headerLength } = encode([{ ...sum, data }], [{ name: 'sum', binary: true }]);
    data.fill(1);
    expect(body.toString('hex', headerLength)).toBe('00'.repeat(8));
  });

  it('refuses BYTES that JSON cannot carry, and missing outputs', () => {
    const bad: Tensor = { name: 's', datatype: 'BYTES', shape: [2], data: encodeBytes(['a', Buffer.of(255)]) };
    expect(() => jsonOf(bad)).toThrow(/"s": BYTES element 1 is not valid UTF-8.*parameters.binary_data/);
    expect(() => jsonOf(bad)).toThrow(expect.objectContaining({ code: 'invalid_request', details: { param: 's' } }));
    expect(() => encode([], [{ name: 'y', binary: true }])).toThrow(expect.objectContaining({ code: 'internal' }));
  });
});

describe('classification', () => {
  const strings = (tensor: Tensor) => bytesElements(tensor).map((element) => Buffer.from(element).toString());
  const scores: Tensor = {
    name: 'y',
    datatype: 'FP32',
    shape: [2, 3],
    data: raw(Float32Array.of(0.25, 0.5, 0.25, NaN, -1, 2)),
  };

  it('gives the largest values of each row as value:index, equal values by index, NaN last', () => {
    expect(classify(scores, 2)).toMatchObject({ name: 'y', datatype: 'BYTES', shape: [2, 2] });
    expect(strings(classify(scores, 2))).toEqual(['0.5:1', '0.25:0', '2:2', '-1:1']);
    expect(classify(scores, 9).shape).toEqual([2, 3]);
    expect(strings(classify(scores, 9)).at(-1)).toBe('NaN:0');
  });

  it('ranks integers and BF16, a single axis, and an axis without classes', () => {
    const long: Tensor = { name: 'y', datatype: 'INT64', shape: [2], data: raw(BigInt64Array.of(1n, 2n ** 60n)) };
    expect(strings(classify(long, 1))).toEqual(['1152921504606846976:1']);
    const brain: Tensor = { name: 'y', datatype: 'BF16', shape: [2], data: raw(Uint16Array.of(0xbf80, 0x3fc0)) };
    expect(strings(classify(brain, 1))).toEqual(['1.5:1']);
    expect(classify({ ...long, shape: [2, 0], data: new Uint8Array() }, 3).shape).toEqual([2, 0]);
  });

  it('is part of a response, as JSON or binary', () => {
    const { body } = encode([scores], [{ name: 'y', binary: false, classification: 1 }]);
    expect(JSON.parse(body.toString())).toMatchObject({
      outputs: [{ datatype: 'BYTES', shape: [2, 1], data: ['0.5:1', '2:2'] }],
    });
    const binary = encode([scores], [{ name: 'y', binary: true, classification: 1 }]);
    expect(binary.body.toString('latin1', binary.headerLength)).toBe('\x05\0\0\x000.5:1\x03\0\0\x002:2');
  });

  it.each([text, { ...sum, datatype: 'BOOL' as const, data: Uint8Array.of(0, 1) }, { ...sum, shape: [] }])(
    'refuses $datatype $shape',
    (tensor) => {
      expect(() => classify(tensor, 1)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    },
  );
});
