import { describe, expect, it } from 'vitest';
import { decodeInferResponse, encodeInferRequest, parseInferHead, type Tensor } from './index.ts';

const x: Tensor = { name: 'x', datatype: 'UINT8', shape: [1, 2], data: Uint8Array.of(1, 255) };

describe('the client', () => {
  it('writes JSON', () => {
    const { body, ...headers } = encodeInferRequest({
      id: 'a',
      inputs: [x],
      outputs: [{ name: 'y', classification: 2 }],
      binary: false,
      parameters: { timeout: 5 },
      extra: { model: 'm' },
    });
    expect(headers).toEqual({ contentType: 'application/json' });
    expect(body.toString()).toBe(
      '{"model":"m","id":"a","parameters":{"timeout":5},"outputs":[{"name":"y","parameters":{"binary_data":false,"classification":2}}],' +
        '"inputs":[{"name":"x","datatype":"UINT8","shape":[1,2],"data":[1,255]}]}',
    );
    expect(parseInferHead({ body }).extra).toEqual({ model: 'm' });
  });

  it('writes binary inputs and requests binary outputs', () => {
    const { body, headerLength, contentType } = encodeInferRequest({ inputs: [x], binary: true });
    expect(contentType).toBe('application/octet-stream');
    expect(body.toString('utf8', 0, headerLength)).toBe(
      '{"parameters":{"binary_data_output":true},' +
        '"inputs":[{"name":"x","datatype":"UINT8","shape":[1,2],"parameters":{"binary_data_size":2}}]}',
    );
    expect(body.toString('hex', headerLength)).toBe('01ff');
  });

  it('refuses tensors that a server would refuse', () => {
    const nan: Tensor = { name: 'x', datatype: 'FP32', shape: [1], data: Buffer.from('0000c07f', 'hex') };
    expect(() => encodeInferRequest({ inputs: [nan], binary: false })).toThrow(/element 0 is NaN.*as binary/);
    expect(encodeInferRequest({ inputs: [nan], binary: true }).headerLength).toBeGreaterThan(0);
    expect(() => encodeInferRequest({ inputs: [{ ...x, shape: [3] }], binary: true })).toThrow(/2 bytes; expected 3/);
  });

  it.each<[string, RegExp]>([
    ['{"outputs":[]}', /model_name is nothing/],
    ['{"model_name":"m"}', /outputs is nothing/],
    [
      '{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[1e39]}]}',
      /"y": data\[0\] is 1e\+39/,
    ],
    [
      '{"model_name":"m","outputs":[{"name":"y","datatype":"INT8","shape":[1],"data":[null]}]}',
      /"y": data\[0\] is null/,
    ],
    ['<html>', /not JSON: unexpected "<" at position 0/],
  ])('refuses the response %s', (body, message) => {
    expect(() => decodeInferResponse(Buffer.from(body))).toThrow(message);
  });
});
