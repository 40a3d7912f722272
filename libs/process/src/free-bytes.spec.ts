import { describe, expect, it } from 'vitest';
import { freeBytes, isFreeable, ownMemory } from './free-bytes.ts';

const LARGE = 1024 ** 2;

describe('freeBytes', () => {
  it('gives the memory of large bytes back at once, and leaves their views empty', () => {
    const before = process.memoryUsage().arrayBuffers;
    for (let n = 0; n < 200; n++) {
      const bytes = Buffer.alloc(LARGE, n);
      const view = bytes.subarray(10, 20);
      freeBytes(bytes);
      expect([bytes.byteLength, view.byteLength]).toEqual([0, 0]);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * LARGE);
  });

  it('does nothing the second time', () => {
    const bytes = new Uint8Array(LARGE);
    freeBytes(bytes);
    freeBytes(bytes);
    expect(bytes.byteLength).toBe(0);
  });

  it('frees the whole memory of bytes that are its only ones', () => {
    const memory = Buffer.alloc(LARGE);
    const part = ownMemory(memory.subarray(0, LARGE / 2));
    expect([isFreeable(part), isFreeable(memory.subarray(0, LARGE / 2))]).toEqual([true, false]);
    freeBytes(part);
    expect([memory.byteLength, part.byteLength]).toEqual([0, 0]);
    const small = ownMemory(Buffer.alloc(100).subarray(1));
    expect(isFreeable(small)).toBe(false);
  });

  const memory = new Uint8Array(LARGE).fill(7);
  it.each([
    ['a part of memory', memory.subarray(1)],
    ['a part of memory from its start', memory.subarray(0, LARGE - 1)],
    ['shared memory', new Uint8Array(new SharedArrayBuffer(LARGE)).fill(7)],
    ['small bytes', Buffer.from('7777777')],
    ['bytes of a pool', Buffer.alloc(100, 7)],
  ])('leaves %s alone', (_, bytes) => {
    const { byteLength } = bytes;
    expect(isFreeable(bytes)).toBe(false);
    freeBytes(bytes);
    expect(bytes.byteLength).toBe(byteLength);
    expect(bytes[0]).not.toBe(0);
  });
});
