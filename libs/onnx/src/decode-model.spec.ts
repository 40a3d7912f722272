import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { decodeModel, type OnnxGraph, type OnnxTensor } from './index.ts';
import {
  ModelProtoSchema,
  type AttributeProtoSchema,
  type GraphProtoSchema,
  type TensorProtoSchema,
} from './onnx_pb.generated.ts';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/${name}.onnx`, import.meta.url));
const bytesOf = (elements: { readonly buffer: ArrayBuffer }) => new Uint8Array(elements.buffer);
const utf8 = new TextEncoder();

type GraphInit = MessageInitShape<typeof GraphProtoSchema>;
type TensorInit = MessageInitShape<typeof TensorProtoSchema>;
type AttributeInit = MessageInitShape<typeof AttributeProtoSchema>;

const encoded = (graph: GraphInit) => toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 10n, graph }));
const decodeTensor = (tensor: TensorInit): OnnxTensor | undefined =>
  decodeModel(encoded({ initializer: [{ name: 't', ...tensor }] })).graph.initializers[0];
const decodeAttribute = (attribute: AttributeInit) =>
  decodeModel(encoded({ node: [{ opType: 'F', name: 'n', attribute: [{ name: 'a', ...attribute }] }] }));

const refusal = (message: string) =>
  expect.objectContaining({ name: 'SconceError', code: 'model_invalid', message: expect.stringContaining(message) });

describe('decodeModel on files of the onnx package', () => {
  it('reads every element type from its typed field', () => {
    const { initializers } = decodeModel(fixture('typed')).graph;
    expect(Object.fromEntries(initializers.map(({ name, data }) => [name, data]))).toStrictEqual({
      float: bytesOf(Float32Array.of(1.5, -0, Infinity)),
      uint8: Uint8Array.of(0, 255),
      int8: bytesOf(Int8Array.of(-128, 127)),
      uint16: bytesOf(Uint16Array.of(0, 65535)),
      int16: bytesOf(Int16Array.of(-32768, 32767)),
      int32: bytesOf(Int32Array.of(-(2 ** 31), 2 ** 31 - 1)),
      int64: bytesOf(BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)),
      string: ['', 'grüße'],
      bool: Uint8Array.of(0, 1),
      float16: bytesOf(Uint16Array.of(0x3c00, 0xc000)),
      double: bytesOf(Float64Array.of(0.1, -1e300)),
      uint32: bytesOf(Uint32Array.of(0, 2 ** 32 - 1)),
      uint64: bytesOf(BigUint64Array.of(2n ** 64n - 1n)),
      bfloat16: bytesOf(Uint16Array.of(0x3f80)),
      scalar: bytesOf(Float32Array.of(2)),
      empty: new Uint8Array(),
    });
    expect(initializers.map(({ datatype, dims }) => [datatype, dims]).slice(5, 8)).toEqual([
      ['INT32', [2]],
      ['INT64', [1, 2]],
      ['STRING', [2]],
    ]);
  });

  it('reads every kind of attribute, bodies, dimensions and metadata, and skips unknown fields', () => {
    const model = decodeModel(fixture('forms'));
    expect(model).toMatchObject({ irVersion: 10, producer: 'make.py', opsets: { '': 21, test: 1 } });
    expect(Object.entries(model.metadata)).toEqual([
      ['key', 'value'],
      ['__proto__', 'plain'],
    ]);
    expect(model.graph.inputs).toEqual([
      { name: 'x', datatype: 'FLOAT', shape: ['batch', 3, null] },
      { name: 'c', datatype: 'BOOL', shape: [] },
    ]);
    expect(model.graph.outputs).toStrictEqual([{ name: 'y', datatype: 'FLOAT', shape: undefined }]);
    const [node, choose] = model.graph.nodes;
    expect(node).toStrictEqual({
      opType: 'Attributes',
      domain: 'test',
      name: 'attributes',
      inputs: ['x', '', 'x'],
      outputs: ['a'],
      attributes: {
        int: { int: -3 },
        big: { int: 2n ** 62n },
        ints: { ints: [1, -2, 2n ** 60n] },
        float: { float: 0.5 },
        floats: { floats: [1, -2.5] },
        string: { string: 'hé' },
        strings: { strings: ['a', 'b'] },
        tensor: { tensor: { name: 't', datatype: 'INT16', dims: [3], data: bytesOf(Int16Array.of(0, 1, 2)) } },
        none: { ints: [] },
      },
    });
    const { then_branch: branch } = choose?.attributes as Record<string, { graph: OnnxGraph }>;
    expect(branch?.graph.name).toBe('then');
    expect(branch?.graph.nodes.map(({ opType, inputs }) => [opType, inputs])).toEqual([
      ['Constant', []],
      ['Add', ['x', 'then_k']],
    ]);
  });

  it('reads references to other files, with optional offset and length', () => {
    expect(decodeModel(fixture('external')).graph.initializers).toEqual([
      {
        name: 'whole',
        datatype: 'FLOAT',
        dims: [2, 3],
        data: { location: 'weights/w.bin', offset: 0, length: 24 },
      },
      { name: 'part', datatype: 'INT64', dims: [4], data: { location: 'model.pt', offset: 4096, length: 32 } },
    ]);
  });

  it.each([
    ['sparse', 'node "k" (Constant), attribute "sparse_value" is a sparse tensor, which is not supported'],
    ['type', 'node "o" (Optional), attribute "type" is a type, which is not supported'],
    ['functions', 'functions of its own, which is not supported: inline them first'],
    ['sequence', 'graph "g", input "s" has no tensor type'],
  ])('refuses %s.onnx', (name, message) => {
    expect(() => decodeModel(fixture(name))).toThrow(refusal(message));
  });
});

describe('decodeModel on tensors', () => {
  it('keeps raw data as a view into the file, and never as a Buffer', () => {
    const file = Buffer.from(encoded({ initializer: [{ dims: [3n], dataType: 2, rawData: Uint8Array.of(7, 8, 9) }] }));
    const data = decodeModel(file).graph.initializers[0]?.data as Uint8Array;
    expect(data).toStrictEqual(Uint8Array.of(7, 8, 9));
    expect(data.buffer).toBe(file.buffer);
  });

  it('reads typed fields that are not packed', () => {
    // data_type INT64, dims [2], int64_data 5 and 6 as two separate fields.
    const tensor = [0x10, 7, 0x08, 2, 0x38, 5, 0x38, 6];
    const graph = [0x2a, tensor.length, ...tensor];
    const { initializers } = decodeModel(Uint8Array.of(0x3a, graph.length, ...graph)).graph;
    expect(initializers[0]).toMatchObject({ dims: [2], data: bytesOf(BigInt64Array.of(5n, 6n)) });
  });

  it('wraps numbers outside the range of their type and reads every number except 0 as true', () => {
    expect(decodeTensor({ dims: [2n], dataType: 3, int32Data: [200, -129] })?.data).toEqual(Uint8Array.of(200, 127));
    expect(decodeTensor({ dims: [2n], dataType: 9, int32Data: [256, 0] })?.data).toEqual(Uint8Array.of(1, 0));
    const wide = decodeTensor({ dims: [1n], dataType: 12, uint64Data: [2n ** 32n + 5n] });
    expect(wide?.data).toEqual(bytesOf(Uint32Array.of(5)));
  });

  const external = (entries: Record<string, string>, more: TensorInit = {}): TensorInit => ({
    dims: [2n],
    dataType: 1,
    dataLocation: 1,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
    ...more,
  });

  it.each<[string, TensorInit, string]>([
    ['no element type', { dims: [] }, 'initializer "t" has no element type'],
    ['complex numbers', { dataType: 14 }, 'initializer "t" has the element type 14 of TensorProto.DataType'],
    ['no data', { dims: [2n], dataType: 1 }, 'initializer "t" (FLOAT[2]) has 0 elements; its shape takes 2'],
    ['too few', { dims: [2n], dataType: 1, floatData: [1] }, 'has 1 elements; its shape takes 2'],
    ['data for an empty shape', { dims: [0n], dataType: 1, floatData: [1] }, 'has 1 elements; its shape takes 0'],
    [
      'too few bytes',
      { dims: [2n], dataType: 1, rawData: new Uint8Array(7) },
      'has 7 bytes of raw_data; its shape takes 8',
    ],
    [
      'the wrong field',
      { dims: [1n], dataType: 1, int32Data: [1] },
      'has its data in int32_data; expected it in float_data',
    ],
    ['raw strings', { dims: [1n], dataType: 8, rawData: Uint8Array.of(1) }, 'in raw_data; expected it in string_data'],
    [
      'two fields',
      { dims: [1n], dataType: 1, floatData: [1], rawData: new Uint8Array(4) },
      'has data in several fields: raw_data, float_data',
    ],
    ['a negative dimension', { dims: [-1n], dataType: 1 }, 'dimension 0 of shape [-1] is -1'],
    ['a dimension above 2^53', { dims: [2n ** 62n], dataType: 1 }, 'expected a whole number from 0 to 2^53-1'],
    [
      'dimensions whose product is too large',
      { dims: [2n ** 40n, 2n ** 40n], dataType: 1 },
      'elements; expected at most 2^53-1',
    ],
    [
      '65 dimensions',
      { dims: Array.from({ length: 65 }, () => 1n), dataType: 1 },
      'has 65 dimensions; expected at most 64',
    ],
    ['a string that is not UTF-8', { dims: [1n], dataType: 8, stringData: [Uint8Array.of(0xff)] }, 'is not UTF-8'],
    ['segments', { dims: [0n], dataType: 1, segment: Uint8Array.of(8, 1) }, 'is split into segments'],
    ['an unknown data location', { dims: [0n], dataType: 1, dataLocation: 2 }, 'has the unknown data location 2'],
    [
      'external data together with data in the file',
      external({ location: 'f' }, { floatData: [1, 2] }),
      'both external data and float_data',
    ],
    ['external strings', external({ location: 'f' }, { dataType: 8 }), 'has its strings in another file'],
    [
      'an external length that does not fit',
      external({ location: 'f', length: '7' }),
      'refers to 7 bytes of f; its shape takes 8',
    ],
    [
      'an external offset that is not a number',
      external({ location: 'f', offset: '-1' }),
      'offset is "-1"; expected a whole number',
    ],
    ['an external offset above 2^53', external({ location: 'f', offset: '9999999999999999' }), 'from 0 to 2^53-1'],
    ...[
      '',
      '/etc/passwd',
      '../up',
      'a/../../up',
      'C:\\x',
      'c:x',
      '\\\\host\\x',
      'a\\..\\..\\x',
      '*/_ORT_MEM_ADDR_/*',
      'a\0b',
    ].map((location): [string, TensorInit, string] => [
      `the location "${location}"`,
      external({ location }),
      'expected a path below the model',
    ]),
  ])('refuses %s', (_, tensor, message) => {
    expect(() => decodeTensor(tensor)).toThrow(refusal(message));
  });

  it.each(['a', 'a/b.pt', './a', '..a/b..', 'a*'])('accepts the location %j', (location) => {
    expect(decodeTensor(external({ location }))?.data).toEqual({ location, offset: 0, length: 8 });
  });
});

describe('decodeModel refuses', () => {
  it.each<[string, AttributeInit, string]>([
    ['no type', {}, 'node "n" (F), attribute "a" does not say which type it has'],
    ['a list of graphs', { type: 10 }, 'attribute "a" is a list of graphs, which is not supported'],
    ['an unknown type', { type: 99 }, 'attribute "a" is of the unknown type 99'],
    ['no tensor', { type: 4 }, 'attribute "a" has no value'],
    ['no graph', { type: 5 }, 'attribute "a" has no value'],
    ['text that is not UTF-8', { type: 3, s: Uint8Array.of(0xc3) }, 'holds a string that is not UTF-8'],
    ["a function's attribute", { type: 2, refAttrName: 'b' }, "refers to a function's attribute"],
  ])('an attribute with %s', (_, attribute, message) => {
    expect(() => decodeAttribute(attribute)).toThrow(refusal(message));
  });

  const dimension = (dimValue: bigint): GraphInit => ({
    input: [{ name: 'x', type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue }] } } } }],
  });
  const twice = [
    { name: 'a', type: 2 },
    { name: 'a', type: 2 },
  ];

  it.each<[string, GraphInit, string]>([
    ['a negative dimension', dimension(-1n), 'input "x" has a dimension of -1'],
    ['a dimension above 2^53', dimension(2n ** 53n), 'has a dimension of 9007199254740992'],
    ['an attribute twice', { node: [{ opType: 'F', attribute: twice }] }, 'node "" (F) has the attribute "a" twice'],
    ['sparse initializers', { name: 'g', sparseInitializer: [new Uint8Array()] }, 'graph "g" has sparse initializers'],
  ])('a graph with %s', (_, graph, message) => {
    expect(() => decodeModel(encoded(graph))).toThrow(refusal(message));
  });

  it('two versions of one operator set, under both of its names', () => {
    const opsetImport = [
      { domain: '', version: 21n },
      { domain: 'ai.onnx', version: 20n },
    ];
    const bytes = toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph: {}, opsetImport }));
    expect(() => decodeModel(bytes)).toThrow(refusal('has the operator set "" twice'));
  });

  it.each<[string, Uint8Array]>([
    ['an empty file', new Uint8Array()],
    ['text', utf8.encode('{"not": "onnx"}')],
    ['a zip archive', Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 8, 8, 0, 0)],
    ['a length past the end', Uint8Array.of(0x3a, 5, 0x0a)],
    ['a length past the end of its parent', Uint8Array.of(0x3a, 2, 0x0a, 3, 0x0a, 0, 0)],
    ['a field of another wire type', Uint8Array.of(0x3d, 0, 0, 0, 0)],
    ['a packed field that ends within a number', Uint8Array.of(0x3a, 5, 0x2a, 3, 0x22, 1, 0)],
  ])('%s', (_, bytes) => {
    expect(() => decodeModel(bytes)).toThrow(refusal(''));
  });
});

describe('decodeModel bounds its work:', () => {
  /** A model with this many nested bodies. */
  function nested(levels: number): Uint8Array {
    let graph: GraphInit = {};
    for (let level = 0; level < levels; level++) {
      graph = { node: [{ opType: 'If', attribute: [{ name: 'then_branch', type: 5, g: graph }] }] };
    }
    return encoded(graph);
  }

  it('accepts thirty levels of graphs and refuses hundreds', () => {
    expect(() => decodeModel(nested(30))).not.toThrow();
    expect(() => decodeModel(nested(200))).toThrow(refusal('nested more than 100 levels deep'));
  });

  it('refuses deep nesting of unknown groups', () => {
    // The tag that starts a group in field 30, repeated.
    const open = Uint8Array.from({ length: 100_000 }, (_, at) => (at % 2 === 0 ? 0xf3 : 0x01));
    expect(() => decodeModel(open)).toThrow(refusal('maximum recursion depth reached'));
  });

  it.each<[string, number[], number]>([
    ['nodes', [0x0a, 0], 1_000_000],
    ['tensors', [0x2a, 0], 1_000_000],
    ['inputs', [0x5a, 0], 1_000_000],
    ['sparse initializers', [0x7a, 0], 4_000_000],
  ])('refuses a small file of very many empty %s before it decodes them', (_, unit, count) => {
    const size = unit.length * count;
    const bytes = new Uint8Array(5 + size);
    bytes.set([0x3a, (size & 127) | 128, ((size >> 7) & 127) | 128, ((size >> 14) & 127) | 128, size >> 21]);
    for (let at = 5; at < bytes.length; at += unit.length) bytes.set(unit, at);
    expect(() => decodeModel(bytes)).toThrow(refusal('it has too many parts'));
  });
});
