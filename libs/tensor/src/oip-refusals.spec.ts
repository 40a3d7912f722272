import { describe, expect, it } from 'vitest';
import { decodeInferRequest, type Datatype, type ModelSignature } from './index.ts';

const SIGNATURE: ModelSignature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [
    { name: 'y', datatype: 'FP32', shape: [-1, 2] },
    { name: 's', datatype: 'BYTES', shape: [-1] },
  ],
};
const X = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] as unknown };
/** A request as JSON text, for numbers that JSON.stringify cannot write. */
const xText = (data: string) => `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":${data}}]}`;
const binary = (size: unknown, shape: number[] = [1, 2]) => ({
  inputs: [{ name: 'x', datatype: 'FP32', shape, parameters: { binary_data_size: size } }],
});

interface Refusal {
  readonly what: string;
  /** JSON text, or a value to write as JSON. */
  readonly body: unknown;
  readonly tail?: string;
  readonly code?: string;
  readonly param?: string;
  readonly message: RegExp;
}

const tensorRefusals: Refusal[] = [
  {
    what: 'a datatype that differs from the signature',
    body: { inputs: [{ ...X, datatype: 'INT32' }] },
    message: /has datatype INT32; expected FP32/,
  },
  {
    what: 'an unknown datatype',
    body: { inputs: [{ ...X, datatype: 'fp32' }] },
    message: /datatype is the string "fp32"; expected one of BOOL/,
  },
  {
    what: 'a wrong rank',
    body: { inputs: [{ ...X, shape: [2] }] },
    message: /has shape FP32\[2\]; expected FP32\[-1,2\]/,
  },
  {
    what: 'a wrong dimension',
    body: { inputs: [{ ...X, shape: [1, 3] }] },
    message: /has shape FP32\[1,3\]; expected FP32\[-1,2\]/,
  },
  { what: 'a missing input', body: { inputs: [] }, message: /"x": is missing; expected FP32\[-1,2\]/ },
  {
    what: 'an extra input',
    body: { inputs: [X, { ...X, name: 'z' }] },
    param: 'z',
    message: /"z": the model has no such input; expected "x" FP32/,
  },
  { what: 'a duplicate input', body: { inputs: [X, X] }, message: /given twice/ },
  {
    what: 'a negative dimension',
    body: { inputs: [{ ...X, shape: [-1, 2] }] },
    message: /dimension 0 of shape \[-1,2\] is -1; expected a whole/,
  },
  {
    what: 'a fractional dimension',
    body: { inputs: [{ ...X, shape: [1.5, 2] }] },
    message: /is 1.5; expected a whole number/,
  },
  {
    what: 'a huge dimension',
    body: { inputs: [{ ...X, shape: [1e300, 2] }] },
    message: /is 1e\+300; expected a whole number/,
  },
  {
    what: 'a huge product',
    body: { inputs: [{ ...X, shape: [2 ** 53 - 1, 2] }] },
    message: /elements; expected at most 2\^53-1/,
  },
  {
    what: 'a dimension that is a string',
    body: { inputs: [{ ...X, shape: ['1', 2] }] },
    message: /shape\[0\] is the string "1"; expected a whole/,
  },
  {
    what: 'no shape',
    body: { inputs: [{ name: 'x', datatype: 'FP32', data: [] }] },
    message: /shape is nothing; expected an array/,
  },
  {
    what: 'too few elements',
    body: { inputs: [{ ...X, data: [1] }] },
    message: /data has 1 elements; expected 2 for FP32\[1,2\]/,
  },
  {
    what: 'a large shape without its elements',
    body: { inputs: [{ ...X, shape: [2 ** 50, 2] }] },
    message: /data has 2 elements; expected 2251799813685248/,
  },
  {
    what: 'ragged rows',
    body: { inputs: [{ ...X, shape: [2, 2], data: [[1, 2], [3]] }] },
    message: /data\[1\] is an array of 1 element; expected an array of 2/,
  },
  {
    what: 'too few rows',
    body: {
      inputs: [
        {
          ...X,
          shape: [3, 2],
          data: [
            [1, 2],
            [3, 4],
          ],
        },
      ],
    },
    message: /data is an array of 2 elements; expected an array of 3/,
  },
  {
    what: 'a number among rows',
    body: { inputs: [{ ...X, shape: [2, 2], data: [[1, 2], 3] }] },
    message: /data\[1\] is 3; expected an array of 2/,
  },
  {
    what: 'rows among numbers',
    body: { inputs: [{ ...X, shape: [1, 2], data: [1, [2]] }] },
    message: /data\[1\] is an array of 1 element; FP32 takes/,
  },
  {
    what: 'rows nested too deep',
    body: { inputs: [{ ...X, data: [[[1], [2]]] }] },
    message: /data\[0\]\[0\] is an array of 1 element; FP32 takes/,
  },
  {
    what: 'data that is not an array',
    body: { inputs: [{ ...X, data: 'AAAA' }] },
    message: /data is the string "AAAA"; expected an array of 2/,
  },
  {
    what: 'a number beyond FP32',
    body: xText('[1,1e39]'),
    message: /data\[1\] is 1e\+39; FP32 takes finite numbers from -3.4028e38/,
  },
  {
    what: 'a number beyond every float',
    body: xText('[[1,1e999]]'),
    message: /data\[0\]\[1\] is Infinity; FP32 takes finite/,
  },
  {
    what: 'data together with binary_data_size',
    body: { inputs: [{ ...X, parameters: { binary_data_size: 8 } }] },
    message: /has both data and/,
  },
  {
    what: 'neither data nor binary_data_size',
    body: { inputs: [{ ...X, data: undefined }] },
    message: /has neither data nor parameters.binary_data_size/,
  },
  {
    what: 'a binary_data_size that contradicts the shape',
    body: binary(4),
    tail: '00000000',
    message: /binary_data_size is 4; expected 8, which FP32\[1,2\] takes/,
  },
  { what: 'a negative binary_data_size', body: binary(-8), message: /binary_data_size is -8; expected a whole number/ },
  { what: 'a fractional binary_data_size', body: binary(1.5), message: /is 1.5; expected a whole number/ },
  {
    what: 'a binary_data_size that is a string',
    body: binary('8'),
    message: /is the string "8"; expected a whole number/,
  },
  {
    what: 'truncated binary data',
    body: binary(8),
    tail: '00000000',
    message: /truncated: expected 8 bytes, 4 are left/,
  },
  {
    what: 'a huge binary_data_size',
    body: binary(2 ** 50, [2 ** 47, 2]),
    tail: '00',
    message: /expected 1125899906842624 bytes, 1 are left/,
  },
  {
    what: 'binary data without the header',
    body: binary(8),
    message: /is the Inference-Header-Content-Length header set\?/,
  },
];

const requestRefusals: Refusal[] = [
  {
    what: 'surplus bytes',
    body: binary(8),
    tail: '00'.repeat(9),
    param: 'Inference-Header-Content-Length',
    message: /1 surplus bytes/,
  },
  {
    what: 'an unknown output',
    body: { inputs: [X], outputs: [{ name: 'q' }] },
    param: 'q',
    message: /no output "q"; expected "y" FP32\[-1,2\]/,
  },
  {
    what: 'a duplicate output',
    body: { inputs: [X], outputs: [{ name: 'y' }, { name: 'y' }] },
    param: 'y',
    message: /"y" is requested twice/,
  },
  {
    what: 'classification of strings',
    body: { inputs: [X], outputs: [{ name: 's', parameters: { classification: 1 } }] },
    param: 's',
    message: /"s" is BYTES\[-1\]; expected numbers/,
  },
  {
    what: 'classification with 0 classes',
    body: { inputs: [X], outputs: [{ name: 'y', parameters: { classification: 0 } }] },
    param: 'y',
    message: /classification is 0; expected/,
  },
  {
    what: 'binary_data that is a string',
    body: { inputs: [X], outputs: [{ name: 'y', parameters: { binary_data: 'yes' } }] },
    param: 'y',
    message: /binary_data is the string "yes"; expected true or false/,
  },
  {
    what: 'binary_data_output that is a number',
    body: { inputs: [X], parameters: { binary_data_output: 1 } },
    param: 'parameters',
    message: /is 1; expected true or false/,
  },
  {
    what: 'a parameter that is an object',
    body: { inputs: [X], parameters: { a: {} } },
    param: 'parameters.a',
    message: /is an object; expected a string/,
  },
  { what: 'an id that is a number', body: { id: 5, inputs: [X] }, param: 'id', message: /id is 5; expected a string/ },
  { what: 'no inputs', body: {}, param: 'inputs', message: /inputs is nothing; expected an array/ },
  {
    what: 'an input that is null',
    body: { inputs: [null] },
    param: 'inputs[0]',
    message: /inputs\[0\] is null; expected an object/,
  },
  {
    what: 'an input without a name',
    body: { inputs: [{}] },
    param: 'inputs[0].name',
    message: /is nothing; expected a string/,
  },
  {
    what: 'outputs that are an object',
    body: { inputs: [X], outputs: {} },
    param: 'outputs',
    message: /outputs is an object; expected an array/,
  },
  { what: 'an array', body: [], param: 'body', message: /body is an array of 0 elements; expected an object/ },
  { what: 'an empty body', body: '', param: 'body', message: /empty; expected a JSON object/ },
  {
    what: 'a body that is not JSON',
    body: '{"inputs": x}',
    param: 'body',
    message: /not JSON: unexpected "x" at position 11/,
  },
  { what: 'JSON cut short', body: '{"inputs":[', param: 'body', message: /ends too early, at position 11/ },
  {
    what: 'a word that is not NaN',
    body: xText('[1,nan]'),
    param: 'x',
    message: /nan at position 65, while reading tensor "x": expected a JSON value, or NaN, Infinity or -Infinity/,
  },
  {
    what: 'an error behind NaN and -Infinity',
    body: xText('[-Infinity,NaN,x]'),
    param: 'x',
    message: /unexpected "x" at position 77/,
  },
  {
    what: 'NaN that is no element',
    body: '{"inputs":[],"id":NaN}',
    param: 'body',
    message: /NaN at position 18/,
  },
  {
    what: 'unknown fields nested too deeply',
    body: `{"inputs":[],"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    param: 'body',
    message: /nested more than 64/,
  },
].map((refusal) => ({ code: 'invalid_request', ...refusal }));

describe('a request is refused with', () => {
  it.each([...tensorRefusals, ...requestRefusals])('$what', ({ body, tail, code, param, message }) => {
    const head = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    const act = () =>
      decodeInferRequest({
        body: Buffer.concat([head, Buffer.from(tail ?? '', 'hex')]),
        ...(tail === undefined ? {} : { headerLength: head.length }),
        signature: SIGNATURE,
      });
    expect(act).toThrow(message);
    expect(act).toThrow(expect.objectContaining({ code: code ?? 'invalid_tensor', details: { param: param ?? 'x' } }));
  });

  it.each([
    [101, /is 101; the body has only 100 bytes/],
    [-1, /is -1; expected a whole number/],
    [NaN, /is NaN; expected a whole number/],
    [1.5, /is 1.5; expected a whole number/],
  ])('a header length of %d', (headerLength, message) => {
    const act = () => decodeInferRequest({ body: Buffer.alloc(100), headerLength, signature: SIGNATURE });
    expect(act).toThrow(message);
    expect(act).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: { param: 'Inference-Header-Content-Length' } }),
    );
  });

  it('text that is not UTF-8', () => {
    const body = Buffer.from('{"id":"\xff","inputs":[]}', 'latin1');
    expect(() => decodeInferRequest({ body, signature: SIGNATURE })).toThrow(/not valid UTF-8/);
  });

  it('JSON nested too deeply to read', () => {
    const body = Buffer.from(`{"a":1234567890123456789,"inputs":${'['.repeat(200_000)}${']'.repeat(200_000)}}`);
    expect(() => decodeInferRequest({ body, signature: SIGNATURE })).toThrow(/nested too deeply/);
  });

  it.each<[Datatype, string, RegExp]>([
    ['BYTES', '050000006869', /BYTES element 0 at byte 4 is 5 bytes long; only 2 are left/],
    ['BYTES', '0200000068690000', /end inside the length prefix of element 1.*expected 2 elements/],
    ['BYTES', '00000000'.repeat(3), /4 bytes after the last of 2 elements/],
    ['BOOL', '0102', /BOOL byte 1 is 2; expected 0 or 1/],
  ])('binary %s %s', (datatype, hex, message) => {
    const data = Buffer.from(hex, 'hex');
    const parameters = { binary_data_size: data.length };
    const head = Buffer.from(JSON.stringify({ inputs: [{ name: 'x', datatype, shape: [2], parameters }] }));
    const signature: ModelSignature = { inputs: [{ name: 'x', datatype, shape: [-1] }], outputs: [] };
    const act = () => decodeInferRequest({ body: Buffer.concat([head, data]), headerLength: head.length, signature });
    expect(act).toThrow(message);
    expect(act).toThrow(expect.objectContaining({ code: 'invalid_tensor', details: { param: 'x' } }));
  });

  it.each([
    ['an input', { inputs: [{ ...X, name: 'n'.repeat(100_000) }] }],
    ['a parameter', { inputs: [X], parameters: { ['n'.repeat(100_000)]: null } }],
    ['a string', { inputs: [{ ...X, datatype: 'n'.repeat(100_000) }] }],
    ['a number', `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,1${'0'.repeat(100_000)}]}]}`],
    ['a dimension', `{"inputs":[{"name":"x","datatype":"FP32","shape":[1${'0'.repeat(100_000)},2],"data":[]}]}`],
  ])('%s of any length, in a message of bounded length', (_, body) => {
    try {
      decodeInferRequest({
        body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
        signature: SIGNATURE,
      });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ name: 'SconceError' });
      expect(JSON.stringify(error).length).toBeLessThan(1000);
    }
  });
});
