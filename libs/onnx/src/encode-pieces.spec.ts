import { expect, it } from 'vitest';

import { decodeModel, encodeModelPieces, type ExternalData, type OnnxModel, type OnnxTensor } from './index.ts';

const bytesOf = (...sizes: number[]): OnnxTensor[] =>
  sizes.map((size, i) => ({
    name: `w${i}`,
    datatype: 'UINT8',
    dims: [size],
    data: Uint8Array.from({ length: size }, (_, at) => at + i),
  }));

const modelOf = (initializers: readonly OnnxTensor[]): OnnxModel => ({
  irVersion: 10,
  opsets: { '': 21 },
  producer: 'test',
  metadata: { key: 'value' },
  graph: {
    name: 'g',
    inputs: [{ name: 'x', datatype: 'UINT8', shape: [3] }],
    outputs: [{ name: 'y', datatype: 'UINT8', shape: [3] }],
    initializers,
    nodes: [{ opType: 'Add', domain: '', name: 'n', inputs: ['x', 'w0'], outputs: ['y'], attributes: {} }],
  },
});

/** Joins the pieces to a file. External ranges are taken from `file`. */
function join(pieces: readonly (Uint8Array | ExternalData)[], file = new Uint8Array()): Uint8Array {
  return Buffer.concat(
    pieces.map((piece) =>
      piece instanceof Uint8Array ? piece : file.subarray(piece.offset, piece.offset + piece.length),
    ),
  );
}

// An empty tensor, and lengths around the limits at which a protobuf length takes one more byte.
it.each([0, 1, 3, 127, 128, 16_383, 16_384, 2_100_000])(
  'decodes to the same model with a tensor of %i bytes',
  (size) => {
    const model = modelOf(bytesOf(3, size));
    const { pieces, byteLength } = encodeModelPieces(model);
    const file = join(pieces);
    expect(file.byteLength).toBe(byteLength);
    expect(decodeModel(file)).toEqual(model);
  },
);

it('refers to external ranges without reading or copying anything', () => {
  const [inline, other] = bytesOf(3, 5) as [OnnxTensor, OnnxTensor];
  const file = Uint8Array.from({ length: 40 }, (_, i) => i);
  const external = { location: 'weights', offset: 7, length: 5 };
  const { pieces } = encodeModelPieces(modelOf([inline, { ...other, data: external }]));
  expect(pieces).toContain(external);
  expect(pieces).toContain(inline.data);
  expect(decodeModel(join(pieces, file)).graph.initializers[1]?.data).toEqual(file.slice(7, 12));
});

it('gives the length of files larger than a protobuf may be', () => {
  const length = 3 * 2 ** 32;
  const huge: OnnxTensor = { name: 'w', datatype: 'UINT8', dims: [length], data: { location: 'f', offset: 0, length } };
  expect(encodeModelPieces(modelOf([huge])).byteLength).toBeGreaterThan(length);
});

it('keeps tensors of strings', () => {
  const strings: OnnxTensor = { name: 't', datatype: 'STRING', dims: [2], data: ['a', 'é'] };
  expect(decodeModel(join(encodeModelPieces(modelOf([strings])).pieces)).graph.initializers).toEqual([strings]);
});
