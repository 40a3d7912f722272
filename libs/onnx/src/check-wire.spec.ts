import { describe, expect, it } from 'vitest';

import { checkWire } from './check-wire.ts';
import { GraphProtoSchema, TensorProtoSchema } from './onnx_pb.generated.ts';

const limits = { maxDepth: 5, maxMemoryBytes: 4096 };

describe('checkWire', () => {
  it.each<[string, number[], string]>([
    ['a string past the end', [0x12, 3, 65], 'onnx.GraphProto.name runs past its end'],
    [
      'a message past the end of its parent',
      [0x0a, 2, 0x2a, 5, 0, 0, 0, 0, 0],
      'onnx.NodeProto.attribute runs past its end',
    ],
    ['a number past the end of its parent', [0x2a, 2, 0x10, 0x80, 0x01], 'onnx.TensorProto runs past its end'],
    [
      'an unknown field past the end of its parent',
      [0x2a, 3, 0xfa, 0x01, 2, 0, 0],
      'onnx.TensorProto runs past its end',
    ],
    ['a number in a string field', [0x10, 1], 'onnx.GraphProto.name has the wire type 0'],
    ['a number in a message field', [0x08, 1], 'onnx.GraphProto.node has the wire type 0'],
    ['a string in a number field', [0x2a, 3, 0x12, 1, 65], 'onnx.TensorProto.data_type has the wire type 2'],
    [
      'a double in a float field',
      [0x0a, 11, 0x2a, 9, 0x11, 0, 0, 0, 0, 0, 0, 0, 0],
      'onnx.AttributeProto.f has the wire type 1',
    ],
    ['a field number of zero', [0x00, 1], 'field no 0'],
    ['an end past the file', [0x2a, 2, 0x10], 'runs past its end'],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => checkWire(GraphProtoSchema, Uint8Array.from(bytes), limits)).toThrow(message);
  });

  it.each<[string, number[], string]>([
    ['floats', [0x22, 5, 0, 0, 0, 0, 0], 'onnx.TensorProto.float_data ends within a number'],
    ['doubles', [0x52, 4, 0, 0, 0, 0], 'onnx.TensorProto.double_data ends within a number'],
    ['varints', [0x3a, 2, 1, 0x80], 'onnx.TensorProto.int64_data ends within a number'],
  ])('refuses packed %s that end within a number', (_, bytes, message) => {
    expect(() => checkWire(TensorProtoSchema, Uint8Array.from(bytes), limits)).toThrow(message);
  });

  it.each<[string, number[]]>([
    ['nothing', []],
    ['empty packed fields', [0x22, 0, 0x3a, 0]],
    [
      'packed and single numbers, also of several bytes',
      [0x3a, 3, 1, 0x80, 1, 0x38, 0xff, 1, 0x22, 4, 0, 0, 0, 0, 0x25, 0, 0, 0, 0],
    ],
    ['unknown fields of every form', [0xa0, 1, 1, 0xa2, 1, 1, 9, 0xa3, 1, 0xa0, 1, 1, 0xa4, 1, 0xa5, 1, 0, 0, 0, 0]],
  ])('accepts %s', (_, bytes) => {
    expect(() => checkWire(TensorProtoSchema, Uint8Array.from(bytes), limits)).not.toThrow();
  });

  /** A length-delimited field of these bytes, at most 16383 of them. */
  const field = (number: number, content: Uint8Array) =>
    Uint8Array.of((number << 3) | 2, (content.length & 127) | 128, content.length >> 7, ...content);

  it.each<[string, number, boolean]>([
    ['counts only a view for raw bytes', 9, true],
    ['counts only a view for strings stored as bytes', 6, true],
    ['counts every number of a packed list', 5, false],
    ['counts every bigint of a packed list', 7, false],
  ])('%s', (_, number, fits) => {
    const bytes = field(number, new Uint8Array(1000));
    const check = (): void => checkWire(TensorProtoSchema, bytes, limits);
    if (fits) expect(check).not.toThrow();
    else expect(check).toThrow('decoded it would take more than 4096 bytes');
  });
});
