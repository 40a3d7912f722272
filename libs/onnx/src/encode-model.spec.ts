import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { decodeModel, encodeModel, type OnnxAttribute, type OnnxModel, type OnnxTensor } from './index.ts';
import { ModelProtoSchema, type ModelProto } from './onnx_pb.generated.ts';

const empty: OnnxModel = {
  irVersion: 10,
  opsets: { '': 21 },
  producer: 'p',
  metadata: {},
  graph: { name: 'g', inputs: [], outputs: [], initializers: [], nodes: [] },
};

const withTensor = (tensor: OnnxTensor): OnnxModel => ({ ...empty, graph: { ...empty.graph, initializers: [tensor] } });

const withAttribute = (attribute: OnnxAttribute): OnnxModel => {
  const node = { opType: 'F', domain: '', name: 'n', inputs: [], outputs: [], attributes: { a: attribute } };
  return { ...empty, graph: { ...empty.graph, nodes: [node] } };
};

const protoOf = (model: OnnxModel): ModelProto => fromBinary(ModelProtoSchema, encodeModel(model));

describe('encodeModel', () => {
  it('writes the same bytes as the onnx package', () => {
    // ONNX's Python package wrote this file and uses the same form as encodeModel for every part.
    const bytes = new Uint8Array(readFileSync(new URL('../fixtures/canonical.onnx', import.meta.url)));
    expect(encodeModel(decodeModel(bytes))).toEqual(bytes);
  });

  it('writes numbers as raw_data and strings as string_data', () => {
    const numbers = protoOf(withTensor({ name: 't', datatype: 'INT16', dims: [1], data: Uint8Array.of(1, 2) }));
    expect(numbers.graph?.initializer[0]).toMatchObject({ dataType: 5, dims: [1n], rawData: Uint8Array.of(1, 2) });
    const strings = protoOf(withTensor({ name: 't', datatype: 'STRING', dims: [1], data: ['é'] }));
    expect(strings.graph?.initializer[0]).toMatchObject({ dataType: 8, stringData: [Uint8Array.of(0xc3, 0xa9)] });
  });

  it('writes a reference to another file with location, offset and length', () => {
    const data = { location: 'm.pt', offset: 0, length: 2 ** 40 };
    const proto = protoOf(withTensor({ name: 't', datatype: 'UINT8', dims: [2 ** 40], data }));
    expect(proto.graph?.initializer[0]).toMatchObject({
      dataLocation: 1,
      externalData: [
        { key: 'location', value: 'm.pt' },
        { key: 'offset', value: '0' },
        { key: 'length', value: '1099511627776' },
      ],
    });
  });

  it('rounds floats to 32 bits, beyond their range to infinity', () => {
    const attribute = { floats: [0.1, 1e300, -1e300] };
    expect(protoOf(withAttribute(attribute)).graph?.node[0]?.attribute[0]?.floats).toEqual([
      Math.fround(0.1),
      Infinity,
      -Infinity,
    ]);
  });

  it.each<[string, OnnxAttribute, string]>([
    ['a fraction', { int: 1.5 }, 'node "n", attribute "a": 1.5 is not an exact integer'],
    ['a number above 2^53', { ints: [2 ** 53] }, 'expected an integer, above 2^53 as a bigint'],
    ['a bigint above 63 bits', { int: 2n ** 63n }, 'does not fit into 64 bits'],
  ])('refuses %s as an integer', (_, attribute, message) => {
    expect(() => encodeModel(withAttribute(attribute))).toThrow(
      expect.objectContaining({ code: 'internal', message: expect.stringContaining(message) }),
    );
  });

  it('refuses a model that no protobuf can hold before it encodes anything', () => {
    // Six tensors share one array: 2.25 GiB in the file, 384 MiB of address space here, and no page is touched.
    const data = new Uint8Array(384 * 2 ** 20);
    const tensor = { name: 't', datatype: 'UINT8', dims: [data.length], data } as const;
    const model = { ...empty, graph: { ...empty.graph, initializers: Array.from({ length: 6 }, () => tensor) } };
    expect(() => encodeModel(model)).toThrow(
      expect.objectContaining({
        code: 'unsupported',
        message: expect.stringContaining('an ONNX file has less than 2 GiB'),
      }),
    );
  });

  it('uses a generated schema that writes the same bytes that it reads', () => {
    const bytes = encodeModel(withAttribute({ graph: empty.graph }));
    expect(toBinary(ModelProtoSchema, fromBinary(ModelProtoSchema, bytes))).toEqual(bytes);
  });
});
