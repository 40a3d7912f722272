import { describe, expect, it } from 'vitest';
import { bytesElements, checkTensor, encodeBytes, viewOf, type Tensor } from './index.ts';

const fp32 = (data: Uint8Array): Tensor & { datatype: 'FP32' } => ({ name: 'x', datatype: 'FP32', shape: [2], data });

describe('viewOf', () => {
  it('views aligned memory without a copy, shared or not', () => {
    for (const memory of [new ArrayBuffer(16), new SharedArrayBuffer(16)]) {
      const view = viewOf(fp32(new Uint8Array(memory, 4, 8)));
      view[1] = 2.5;
      expect(view.buffer).toBe(memory);
      expect(new Float32Array(memory)[2]).toBe(2.5);
    }
  });

  it.each([
    ['Uint8Array', new Uint8Array(new ArrayBuffer(16), 3, 8)],
    ['Buffer', Buffer.from(new ArrayBuffer(16), 3, 8)],
    ['shared', new Uint8Array(new SharedArrayBuffer(16), 3, 8)],
  ])('copies a misaligned %s', (_, data) => {
    data.set([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
    expect([...viewOf(fp32(data))]).toEqual([1, -2]);
  });

  it('reads FP16, BF16 bits and 64-bit integers', () => {
    const tensor = { name: 'x', shape: [1] };
    expect(viewOf({ ...tensor, datatype: 'FP16', data: Buffer.from('003e', 'hex') })[0]).toBe(1.5);
    expect(viewOf({ ...tensor, datatype: 'BF16', data: Buffer.from('c03f', 'hex') })[0]).toBe(0x3fc0);
    expect(viewOf({ ...tensor, datatype: 'INT64', data: Buffer.alloc(8, 255) })[0]).toBe(-1n);
    expect(viewOf({ ...tensor, datatype: 'UINT64', data: Buffer.alloc(8, 255) })[0]).toBe(2n ** 64n - 1n);
  });

  it('refuses BYTES and data of another length', () => {
    expect(() => viewOf(fp32(new Uint8Array(7)))).toThrow(/"x": data have 7 bytes; expected 8/);
    expect(() => viewOf({ name: 'x', datatype: 'BYTES', shape: [0], data: new Uint8Array() })).toThrow(/bytesElements/);
  });
});

describe('BYTES', () => {
  const bytes = (shape: number[], hex: string): Tensor => ({
    name: 's',
    datatype: 'BYTES',
    shape,
    data: Buffer.from(hex.replaceAll(' ', ''), 'hex'),
  });

  it('has a length and then the bytes for each element', () => {
    const data = encodeBytes(['hi', '', new Uint8Array([255]), 'é']);
    expect(Buffer.from(data).toString('hex')).toBe(
      '02000000' + '6869' + '00000000' + '01000000' + 'ff' + '02000000' + 'c3a9',
    );
    const elements = bytesElements({ name: 's', datatype: 'BYTES', shape: [2, 2], data });
    expect(elements.map((element) => Buffer.from(element).toString('latin1'))).toEqual(['hi', '', 'ÿ', 'Ã©']);
    expect(elements[0]?.buffer).toBe(data.buffer);
  });

  it.each([
    ['a prefix cut short', [1], '0200', /end inside the length prefix of element 0/],
    ['an element cut short', [1], '03000000 6869', /element 0 at byte 4 is 3 bytes long; only 2 are left/],
    ['a length of 4 GiB', [1], 'ffffffff 00', /is 4294967295 bytes long; only 1 are left/],
    ['too few elements', [2], '01000000 41', /prefix of element 1.*expected 2 elements/],
    ['too many elements', [1], '01000000 41 00000000', /4 bytes after the last of 1 elements/],
    ['a huge count', [2 ** 50], '00000000', /prefix of element 1/],
  ])('refuses %s', (_, shape, hex, message) => {
    expect(() => bytesElements(bytes(shape, hex))).toThrow(message);
    expect(() => checkTensor(bytes(shape, hex))).toThrow(expect.objectContaining({ code: 'invalid_tensor' }));
  });

  it('checks that BOOL is 0 or 1', () => {
    const bool = (data: number[]): Tensor => ({ name: 'b', datatype: 'BOOL', shape: [2], data: Uint8Array.from(data) });
    checkTensor(bool([0, 1]));
    expect(() => checkTensor(bool([1, 2]))).toThrow(/BOOL byte 1 is 2; expected 0 or 1/);
  });
});
