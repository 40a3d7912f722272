import { describe, expect, it } from 'vitest';
import { decodeInferRequest, type Datatype, type ModelSignature } from './index.ts';

describe('an element is refused, and its place is named', () => {
  it.each<[Datatype, string, RegExp]>([
    ['FP32', '"1"', /is the string "1"; FP32 takes finite numbers/],
    ['FP32', 'true', /is true; FP32 takes finite/],
    ['FP32', 'null', /is null; FP32 takes finite/],
    ['FP32', '"nan"', /is the string "nan"; FP32 takes finite/],
    ['FP32', '{}', /is an object; FP32 takes finite/],
    ['FP16', '65520', /is 65520; FP16 takes finite numbers from -65504/],
    ['BF16', '3.4e38', /is 3.4e\+38; BF16 takes finite numbers/],
    ['BF16', 'null', /is null; BF16 takes/],
    ['FP64', '-1e309', /is -Infinity; FP64 takes finite/],
    ['INT8', '128', /is 128; INT8 takes whole numbers from -128 to 127/],
    ['INT8', '-129', /is -129; INT8/],
    ['UINT8', '-1', /is -1; UINT8 takes whole numbers from 0 to 255/],
    ['INT16', '32768', /INT16 takes/],
    ['UINT16', '65536', /UINT16 takes/],
    ['INT32', '1.5', /is 1.5; INT32 takes whole numbers/],
    ['INT32', '2147483648', /is 2147483648; INT32 takes/],
    ['INT32', '9007199254740993', /is 9007199254740993; INT32 takes/],
    ['UINT32', '4294967296', /UINT32 takes/],
    ['INT64', '9223372036854775808', /is 9223372036854775808; INT64 takes/],
    ['INT64', '-9223372036854775809', /is -9223372036854775809; INT64 takes/],
    ['INT64', '1e17', /is 100000000000000000; INT64 takes .* written as plain digits/],
    ['INT64', '0.5', /is 0.5; INT64/],
    ['INT32', 'NaN', /is NaN; INT32 takes/],
    ['INT64', '-Infinity', /is -Infinity; INT64 takes/],
    ['BOOL', '"NaN"', /is the string "NaN"; BOOL/],
    ['BYTES', 'NaN', /is NaN; BYTES takes strings/],
    ['INT64', '"5"', /is the string "5"; INT64/],
    ['UINT64', '-1', /is -1; UINT64 takes whole numbers from 0/],
    ['UINT64', '18446744073709551616', /UINT64 takes/],
    ['BOOL', '1', /is 1; BOOL takes true or false/],
    ['BYTES', '5', /is 5; BYTES takes strings/],
    ['BYTES', '"\\ud800"', /BYTES takes strings of well-formed Unicode/],
  ])('%s %s', (datatype, element, message) => {
    const good = { BOOL: 'true', BYTES: '""' }[datatype as string] ?? '1';
    const signature: ModelSignature = { inputs: [{ name: 'x', datatype, shape: [2, 2] }], outputs: [] };
    const body = (data: string) =>
      Buffer.from(`{"inputs":[{"name":"x","datatype":"${datatype}","shape":[2,2],"data":${data}}]}`);
    const flat = () => decodeInferRequest({ body: body(`[${good},${good},${element},${good}]`), signature });
    const nested = () => decodeInferRequest({ body: body(`[[${good},${good}],[${element},${good}]]`), signature });
    expect(flat).toThrow(message);
    expect(flat).toThrow(/"x": data\[2\] is /);
    expect(nested).toThrow(/"x": data\[1\]\[0\] is /);
    expect(nested).toThrow(expect.objectContaining({ code: 'invalid_tensor', details: { param: 'x' } }));
  });
});
