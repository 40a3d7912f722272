import { describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import type { Tensor } from './datatype.ts';
import { decodeSafetensors, encodeSafetensors } from './safetensors.ts';

const TENSORS: readonly Tensor[] = [
  { name: 'x', datatype: 'FP32', shape: [2], data: new Uint8Array(new Float32Array([1.5, -2]).buffer) },
  { name: 'n', datatype: 'INT64', shape: [], data: new Uint8Array(new BigInt64Array([7n]).buffer) },
  { name: 'empty', datatype: 'FP16', shape: [0, 3], data: new Uint8Array(0) },
  { name: 'b', datatype: 'BOOL', shape: [3], data: new Uint8Array([1, 0, 1]) },
];

/** A file with this header and data. */
function file(header: string, data: readonly number[] = []): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

describe('safetensors', () => {
  it('reads the tensors that were written', () => {
    const bytes = encodeSafetensors(TENSORS);
    expect([...decodeSafetensors(bytes).values()].map((t) => ({ ...t, data: [...t.data] }))).toEqual(
      TENSORS.map((t) => ({ ...t, data: [...t.data] })),
    );
    expect(new DataView(bytes.buffer).getBigUint64(0, true) % 8n).toBe(0n);
  });

  it('reads a file with metadata', () => {
    const header = '{"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}';
    expect([...(decodeSafetensors(file(header, [9, 1, 2])).get('a')?.data ?? [])]).toEqual([1, 2]);
  });

  it.each([
    ['a file of 3 bytes', new Uint8Array(3), /cut off/],
    ['a header that is longer than the file', file('{}').subarray(0, 9), /cut off/],
    ['a huge header length', new Uint8Array(16).fill(0xff), /header claims/],
    ['a header that is not JSON', file('hello'), /not a JSON object/],
    ['a header that is a list', file('[]'), /not a JSON object/],
    ['an unknown dtype', file('{"a":{"dtype":"F8_E4M3","shape":[],"data_offsets":[0,1]}}', [0]), /"a": dtype F8_E4M3/],
    ['a negative size', file('{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}', [0]), /shape/],
    [
      'offsets beyond the end',
      file('{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}', [0]),
      /expected 2 bytes within the 1 bytes/,
    ],
    [
      'offsets that do not match the shape',
      file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1]}}', [0]),
      /4 bytes/,
    ],
    ['an entry that is not an object', file('{"a":3}'), /dtype undefined/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(SconceError);
    expect(() => decodeSafetensors(bytes)).toThrow(message);
  });

  it('refuses to write strings', () => {
    const tensor: Tensor = { name: 's', datatype: 'BYTES', shape: [0], data: new Uint8Array(0) };
    expect(() => encodeSafetensors([tensor])).toThrow(/cannot hold BYTES/);
  });
});
