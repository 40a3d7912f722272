import { describe, expect, it } from 'vitest';
import { lz4Frame } from './lz4-frame.ts';

const HEADER = [0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0];
const END = [0, 0, 0, 0];

function block(bytes: readonly number[], compressed = true): number[] {
  return [bytes.length, 0, 0, compressed ? 0 : 0x80, ...bytes];
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

const LITERALS = [0x40, 0x61, 0x62, 0x63, 0x64];

describe('lz4Frame', () => {
  it.each<[string, number[], string]>([
    ['literals', [...HEADER, ...block(LITERALS), ...END], 'abcd'],
    ['a block that is not compressed', [...HEADER, ...block([0x78, 0x79], false), ...END], 'xy'],
    // Four literals, then six bytes copied from two bytes back. The last sequence has only literals.
    [
      'a match that overlaps its own output',
      [...HEADER, ...block([0x42, 0x61, 0x62, 0x63, 0x64, 2, 0, 0x10, 0x65]), ...END],
      'abcdcdcdcde',
    ],
    [
      'a match in the previous block',
      [...HEADER, ...block(LITERALS), ...block([0x00, 4, 0, 0x10, 0x65]), ...END],
      'abcdabcde',
    ],
    ['an empty content', [...HEADER, ...END], ''],
  ])('decompresses %s', (_, frame, content) => {
    expect(text(lz4Frame(Uint8Array.from(frame), content.length))).toBe(content);
    expect(() => lz4Frame(Uint8Array.from(frame), content.length + 1)).toThrow();
  });

  it.each<[string, number[]]>([
    ['another magic', [1, 2, 3, 4, 0x40, 0x40, 0, ...END]],
    ['no end', [...HEADER, ...block(LITERALS)]],
    ['a block that is cut off', [...HEADER, 200, 0, 0, 0, 1, 2, 3]],
    ['a match before the first byte', [...HEADER, ...block([0x10, 0x61, 9, 0, 0x10, 0x61]), ...END]],
    ['a match with the distance 0', [...HEADER, ...block([0x10, 0x61, 0, 0, 0x10, 0x61]), ...END]],
    ['more literals than bytes', [...HEADER, ...block([0xf0, 0xff, 0xff, 0x01, 0x61]), ...END]],
    [
      'a match longer than the content',
      [...HEADER, ...block([0x1f, 0x61, 1, 0, 0xff, 0xff, 0xff, 0, 0x10, 0x61]), ...END],
    ],
  ])('refuses %s', (_, frame) => {
    expect(() => lz4Frame(Uint8Array.from(frame), 20)).toThrow();
  });
});
