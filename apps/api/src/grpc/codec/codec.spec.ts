import { fromBinary, fromJson, toBinary, toJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { DATATYPES, encodeBytes, runToEnd, type ModelSignature, type Tensor, type TensorSpec } from '@sconce/tensor';
import { REGISTRY } from '../proto/schema.ts';
import { answerTensors, encodeAnswer, encodeStreamError } from './answer-message.ts';
import { bindMessageSteps } from './bind-message.ts';
import { readInferMessage } from './infer-message.ts';

// The other side of every exchange is @bufbuild/protobuf, which reads the same .proto file.

function schema(name: string): NonNullable<ReturnType<typeof REGISTRY.getMessage>> {
  const found = REGISTRY.getMessage(`inference.${name}`);
  if (found === undefined) throw new Error(name);
  return found;
}

const encode = (request: JsonValue): Uint8Array =>
  toBinary(schema('ModelInferRequest'), fromJson(schema('ModelInferRequest'), request, { registry: REGISTRY }));
const decode = (name: string, bytes: Uint8Array): JsonObject =>
  toJson(schema(name), fromBinary(schema(name), bytes), {
    useProtoFieldName: true,
    registry: REGISTRY,
  }) as JsonObject;
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

function bind(bytes: Uint8Array, signature: ModelSignature): ReturnType<typeof readTensors> {
  return readTensors(bytes, signature);
}
function readTensors(bytes: Uint8Array, signature: ModelSignature): { inputs: readonly Tensor[]; id?: string } {
  return runToEnd(bindMessageSteps(readInferMessage(bytes), { signature }));
}

function failure(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(SconceError);
    return `${(error as SconceError).code}: ${(error as SconceError).message}`;
  }
  return 'taken';
}

const of = (datatype: TensorSpec['datatype'], shape: number[]): ModelSignature => ({
  inputs: [{ name: 'x', datatype, shape }],
  outputs: [{ name: 'y', datatype, shape }],
});

const TYPED: readonly [TensorSpec['datatype'], string, JsonValue[], Uint8Array][] = [
  ['BOOL', 'bool_contents', [true, false, true], Uint8Array.of(1, 0, 1)],
  ['INT8', 'int_contents', [-128, 127], new Uint8Array(Int8Array.of(-128, 127).buffer)],
  ['INT16', 'int_contents', [-32768, 32767], new Uint8Array(Int16Array.of(-32768, 32767).buffer)],
  ['INT32', 'int_contents', [-2147483648, 5], new Uint8Array(Int32Array.of(-2147483648, 5).buffer)],
  [
    'INT64',
    'int64_contents',
    ['-9223372036854775808', '9223372036854775807'],
    new Uint8Array(BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n).buffer),
  ],
  ['UINT8', 'uint_contents', [0, 255], Uint8Array.of(0, 255)],
  ['UINT16', 'uint_contents', [65535], new Uint8Array(Uint16Array.of(65535).buffer)],
  ['UINT32', 'uint_contents', [4294967295], new Uint8Array(Uint32Array.of(4294967295).buffer)],
  ['UINT64', 'uint64_contents', ['18446744073709551615'], new Uint8Array(BigUint64Array.of(2n ** 64n - 1n).buffer)],
  ['FP32', 'fp32_contents', [1.5, 'NaN', '-Infinity'], new Uint8Array(Float32Array.of(1.5, NaN, -Infinity).buffer)],
  ['FP64', 'fp64_contents', [0.1, -2], new Uint8Array(Float64Array.of(0.1, -2).buffer)],
  ['BYTES', 'bytes_contents', [base64(Buffer.from('añ')), ''], encodeBytes(['añ', ''])],
];

describe('a request', () => {
  it.each(TYPED)('with typed contents of %s', (datatype, field, values, data) => {
    const inputs = [{ name: 'x', datatype, shape: [String(values.length)], contents: { [field]: values } }];
    const [tensor] = bind(encode({ inputs }), of(datatype, [-1])).inputs;
    expect(tensor).toMatchObject({ name: 'x', datatype, shape: [values.length] });
    expect(Buffer.from(tensor?.data ?? [])).toEqual(Buffer.from(data));
  });

  it('with typed contents that are not packed, as proto2 writes them', () => {
    const contents = Buffer.from([0x10, 1, 0x10, 2]);
    const input = Buffer.concat([Buffer.from([10, 1, 0x78, 18, 5]), Buffer.from('INT32'), Buffer.from([24, 2, 42, 4])]);
    const body = Buffer.concat([input, contents]);
    const [tensor] = bind(Buffer.concat([Buffer.from([42, body.length]), body]), of('INT32', [-1])).inputs;
    expect(tensor?.data).toEqual(new Uint8Array(Int32Array.of(1, 2).buffer));
  });

  it('with raw contents has views of the message', () => {
    const raw = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
    const inputs = [{ name: 'x', datatype: 'FP32', shape: ['2', '2'] }];
    const bytes = encode({ id: 'a', inputs, raw_input_contents: [base64(raw)] });
    const request = bind(bytes, of('FP32', [-1, 2]));
    expect(request.id).toBe('a');
    expect(request.inputs[0]?.data).toEqual(raw);
    expect(request.inputs[0]?.data.buffer).toBe(bytes.buffer);
  });

  it('has names, parameters and requested outputs', () => {
    const bytes = encode({
      model_name: 'm',
      model_version: '3',
      parameters: {
        priority: { int64_param: '-2' },
        timeout: { uint64_param: '5000' },
        flag: { bool_param: true },
        off: { bool_param: false },
        ratio: { double_param: 0.5 },
        text: { string_param: 'ü'.repeat(70) },
        __proto__x: { string_param: '' },
      },
      inputs: [],
      outputs: [{ name: 'y', parameters: { classification: { int64_param: '2' } } }],
    });
    expect(readInferMessage(bytes)).toMatchObject({
      modelName: 'm',
      modelVersion: '3',
      head: {
        parameters: {
          priority: -2,
          timeout: 5000,
          flag: true,
          off: false,
          ratio: 0.5,
          text: 'ü'.repeat(70),
          __proto__x: '',
        },
        outputs: [{ name: 'y', parameters: { classification: 2 } }],
      },
    });
  });

  it.each<[string, JsonObject, RegExp]>([
    ['no contents', { shape: ['2'] }, /invalid_tensor: .*"x": has neither contents nor raw_input_contents/],
    [
      'too few elements',
      { shape: ['2'], contents: { fp32_contents: [1] } },
      /contents has 1 elements; expected 2 for FP/,
    ],
    ['too many elements', { shape: ['1'], contents: { fp32_contents: [1, 2] } }, /contents has more than 1 elements/],
    ['a huge shape', { shape: ['1000000000'], contents: { fp32_contents: [1] } }, /fewer than 1000000000 elements/],
    ['a negative axis', { shape: ['-1'], contents: { fp32_contents: [1] } }, /dimension 0 of shape \[-1\] is -1/],
    ['another field', { shape: ['1'], contents: { int_contents: [1] } }, /has int_contents; FP32 takes fp32_contents/],
    ['a wrong name', { name: 'z', shape: ['1'] }, /the model has no such input/],
    ['a wrong type', { datatype: 'FP31', shape: ['1'] }, /datatype is the string "FP31"; expected one of BOOL/],
  ])('with %s is refused', (_what, input, message) => {
    const bytes = encode({ inputs: [{ name: 'x', datatype: 'FP32', ...input }] });
    expect(failure(() => bind(bytes, of('FP32', [-1])))).toMatch(message);
  });

  it.each<[string, JsonObject, ModelSignature, RegExp]>([
    ['a value out of range', { int_contents: [1, 300] }, of('INT8', [-1]), /element 1 is 300; INT8 takes -128 to 127/],
    ['a type without contents', { fp32_contents: [1, 2] }, of('FP16', [-1]), /FP16, which has no contents; send raw_/],
    ['too many texts', { bytes_contents: ['', '', ''] }, of('BYTES', [-1]), /contents has more than 2 elements/],
    ['too few texts', { bytes_contents: [''] }, of('BYTES', [-1]), /contents has 1 elements/],
  ])('with %s is refused', (_what, contents, signature, message) => {
    const datatype = signature.inputs[0]?.datatype ?? '';
    const bytes = encode({ inputs: [{ name: 'x', datatype, shape: ['2'], contents }] });
    expect(failure(() => bind(bytes, signature))).toMatch(message);
  });

  it.each<[string, JsonObject, RegExp]>([
    [
      'too few raw contents',
      {
        inputs: [
          { name: 'x', datatype: 'FP32' },
          { name: 'y', datatype: 'FP32' },
        ],
      },
      /has 1 ent/,
    ],
    ['both kinds of contents', { inputs: [{ name: 'x', datatype: 'FP32', contents: {} }] }, /only one of them/],
    ['raw contents that are too long', { inputs: [{ name: 'x', datatype: 'FP32', shape: ['3'] }] }, /16 bytes; exp/],
  ])('with %s is refused', (_what, request, message) => {
    const bytes = encode({ ...request, raw_input_contents: [base64(new Uint8Array(16))] });
    expect(failure(() => bind(bytes, of('FP32', [-1])))).toMatch(message);
  });

  it('with many empty fields is refused before it has an object for each', () => {
    expect(failure(() => readInferMessage(Buffer.alloc(200_000, Buffer.from([0x2a, 0]))))).toMatch(/datatype is/);
    expect(failure(() => readInferMessage(Buffer.alloc(200_000, Buffer.from([0x3a, 0]))))).toMatch(/32768 fields/);
    expect(failure(() => readInferMessage(Buffer.alloc(200_000, Buffer.from([0x78, 0]))))).toMatch(/32768 fields/);
  });
});

describe('hostile bytes', () => {
  const signature: ModelSignature = {
    inputs: DATATYPES.map((datatype) => ({ name: datatype, datatype, shape: [-1] })),
    outputs: [],
  };
  const typed = encode({
    model_name: 'm',
    id: 'id',
    parameters: { a: { int64_param: '1' }, b: { string_param: 'text' }, c: { double_param: 1 } },
    inputs: TYPED.map(([datatype, field, values]) => ({
      name: datatype,
      datatype,
      shape: [String(values.length)],
      contents: { [field]: values },
    })),
  });
  const raw = encode({
    inputs: TYPED.map(([datatype, , values]) => ({ name: datatype, datatype, shape: [String(values.length)] })),
    raw_input_contents: TYPED.map(([, , , data]) => base64(data)),
  });

  it.each([
    ['typed', typed],
    ['raw', raw],
  ])('that are cut or changed end in our errors (%s)', (_kind, bytes) => {
    const change = fc.record({ at: fc.nat(bytes.length - 1), value: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(bytes.length), (changes, length) => {
        const hostile = Uint8Array.from(bytes);
        for (const { at, value } of changes) hostile[at] = value;
        failure(() => bind(hostile, signature));
        failure(() => bind(hostile.subarray(0, length), signature));
      }),
      { seed: 8001, numRuns: 3_000 },
    );
  });

  it('of any kind end in our errors', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        failure(() => bind(bytes, signature));
      }),
      { seed: 8001, numRuns: 3_000 },
    );
  });

  it.each([
    [Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), /only 0 are left/],
    [Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), /over 4 GiB/],
    [Buffer.from([0x08, ...Array<number>(11).fill(0xff)]), /wire type 0; expected 2/],
    [Buffer.from([0x78, ...Array<number>(11).fill(0xff)]), /more than 10 bytes/],
    [Buffer.from([0x0a, 1, 0xff]), /model_name is not UTF-8/],
    [Buffer.from([0x0b]), /wire type 3/],
    [Buffer.from([0x00]), /names no field/],
    [Buffer.from([0x80]), /ends inside the number/],
  ])('%j', (bytes, message) => {
    expect(failure(() => readInferMessage(bytes))).toMatch(message);
  });
});

describe('an answer', () => {
  const scores: Tensor = {
    name: 'y',
    datatype: 'FP32',
    shape: [1, 3],
    data: new Uint8Array(Float32Array.of(0.25, 0.5, 0.125).buffer),
  };
  const flags: Tensor = { name: 'long', datatype: 'BOOL', shape: [300], data: new Uint8Array(300).fill(1) };

  it('is what @bufbuild/protobuf reads', () => {
    const bytes = encodeAnswer({ modelName: 'mödel', modelVersion: '2', id: '7' }, [scores, flags]);
    expect(decode('ModelInferResponse', bytes)).toEqual({
      model_name: 'mödel',
      model_version: '2',
      id: '7',
      outputs: [
        { name: 'y', datatype: 'FP32', shape: ['1', '3'] },
        { name: 'long', datatype: 'BOOL', shape: ['300'] },
      ],
      raw_output_contents: [base64(scores.data), base64(flags.data)],
    });
  });

  it('in a stream is wrapped, also if the request failed', () => {
    const bytes = encodeAnswer({ modelName: 'm', id: undefined }, [flags], { inStream: true });
    expect(decode('ModelStreamInferResponse', bytes)).toMatchObject({ infer_response: { model_name: 'm' } });
    expect(decode('ModelStreamInferResponse', encodeStreamError('it is wrong', '7'))).toEqual({
      error_message: 'it is wrong',
      infer_response: { id: '7' },
    });
  });

  it('has the outputs in the order of the request, classified where it says so', () => {
    const [flag, classes] = runToEnd(
      answerTensors({
        modelName: 'm',
        outputs: [scores, flags],
        requested: [
          { name: 'long', binary: true },
          { name: 'y', binary: true, classification: 2 },
        ],
      }),
    );
    expect(flag).toBe(flags);
    expect(classes).toMatchObject({ datatype: 'BYTES', shape: [1, 2], data: encodeBytes(['0.5:1', '0.25:0']) });
  });
});
