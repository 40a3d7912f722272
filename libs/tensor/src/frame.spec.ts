import { describe, expect, it } from 'vitest';
import { decodeFrame, encodeBytes, encodeFrame, framePieces, viewOf, type Tensor } from './index.ts';

const tensors: Tensor[] = [
  { name: 's', datatype: 'BYTES', shape: [1], data: encodeBytes(['abc']) },
  { name: 'd', datatype: 'FP64', shape: [2], data: new Uint8Array(new Float64Array([1.5, -2]).buffer) },
];
const frame = () => encodeFrame({ meta: { job: 7 }, tensors });

/** A frame with its header's JSON changed, its length kept true. */
function withHeader(change: (text: string) => string): Buffer {
  const good = frame();
  const end = 12 + good.readUInt32LE(8);
  const header = Buffer.from(change(good.toString('utf8', 12, end)));
  const prefix = Buffer.from(good.subarray(0, 12));
  prefix.writeUInt32LE(header.length, 8);
  const start = Math.ceil((12 + header.length) / 8) * 8;
  return Buffer.concat([
    prefix,
    header,
    Buffer.alloc(start - 12 - header.length),
    good.subarray(Math.ceil(end / 8) * 8),
  ]);
}

describe('frame', () => {
  it('gives meta and tensors back, as aligned views of the frame', () => {
    const bytes = frame();
    const back = decodeFrame(bytes);
    expect(back.meta).toEqual({ job: 7 });
    expect(back.tensors.map((tensor) => ({ ...tensor, data: [...tensor.data] }))).toEqual(
      tensors.map((tensor) => ({ ...tensor, data: [...tensor.data] })),
    );
    for (const { data } of back.tensors) {
      expect(data.buffer).toBe(bytes.buffer);
      expect(data.byteOffset % 8).toBe(0);
    }
    const [, second] = back.tensors;
    if (second?.datatype !== 'FP64') throw new Error('the second tensor is missing');
    expect(viewOf({ ...second, datatype: 'FP64' }).buffer).toBe(bytes.buffer);
  });

  it('can be encoded as pieces that contain the memory of the tensors', () => {
    const { pieces, byteLength } = framePieces({ meta: { job: 7 }, tensors });
    expect(Buffer.concat(pieces)).toEqual(frame());
    expect(byteLength).toBe(frame().length);
    for (const { data } of tensors) expect(pieces.some((piece) => piece === data)).toBe(true);
  });

  it('may have no tensors and may be in shared memory', () => {
    const small = encodeFrame({ meta: null, tensors: [] });
    const shared = new Uint8Array(new SharedArrayBuffer(small.length));
    shared.set(small);
    expect(decodeFrame(shared)).toEqual({ meta: null, tensors: [] });
  });

  it('is refused at every wrong length', () => {
    const bytes = frame();
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeFrame(bytes.subarray(0, length))).toThrow(expect.objectContaining({ code: 'internal' }));
    }
    expect(() => decodeFrame(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(/its last tensor ends at/);
  });

  it.each<[string, () => Uint8Array, RegExp]>([
    ['another magic', () => Buffer.from(frame().fill('X', 0, 1)), /starts with 58434e46; expected 53434e46/],
    ['another version', () => Buffer.from(frame().fill(2, 4, 5)), /has version 2; expected 1/],
    ['a header beyond the end', () => Buffer.from(frame().fill(255, 8, 12)), /its header ends at 4294967307/],
    ['a header that is not JSON', () => withHeader((text) => text.slice(1)), /not JSON/],
    ['no tensors', () => withHeader(() => '{}'), /without a list of tensors/],
    ['null', () => withHeader(() => 'null'), /without a list of tensors/],
    ['an unknown datatype', () => withHeader((text) => text.replace('FP64', 'FP65')), /tensor 1 is not/],
    ['a size too large', () => withHeader((text) => text.replace('"bytes":16', '"bytes":17')), /tensor 1 ends at/],
    ['a size that contradicts the shape', () => withHeader((text) => text.replace('[2]', '[3]')), /expected 24/],
    ['a negative size', () => withHeader((text) => text.replace('"bytes":16', '"bytes":-8')), /tensor 1 is not/],
    ['a huge shape', () => withHeader((text) => text.replace('[2]', '[1e15,1e15]')), /elements; expected at most/],
    [
      'BYTES with another number of elements',
      () => withHeader((text) => text.replace('[1]', '[2]')),
      /expected 2 elements/,
    ],
  ])('is refused with %s', (_, bytes, message) => {
    expect(() => decodeFrame(bytes())).toThrow(message);
    expect(() => decodeFrame(bytes())).toThrow(expect.objectContaining({ code: 'internal' }));
  });

  it('is not written with values that it could not give back', () => {
    expect(() => encodeFrame({ meta: 1n, tensors: [] })).toThrow(/meta is not a JSON value/);
    expect(() => encodeFrame({ meta: 1, tensors: [{ ...(tensors[1] as Tensor), shape: [3] }] })).toThrow(/expected 24/);
  });
});
