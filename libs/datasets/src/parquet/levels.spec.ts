import { describe, expect, it } from 'vitest';
import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js';
import { ByteWriter } from 'hyparquet-writer';
import { writeRleBitPackedHybrid } from 'hyparquet-writer/src/encoding.js';
import { numbersOf } from '../../fixtures/output-blocks.ts';
import { levelWidth, readHybrid, uniformValue } from './levels.ts';

describe('readHybrid', () => {
  it.each([1, 2, 3, 7, 8, 9, 15, 16, 17, 23])('reads what hyparquet writes, with the same result: %i bits', (width) => {
    const next = numbersOf(width);
    const values: number[] = [];
    while (values.length < 500) {
      const run = next() < 0.3 ? 20 : 1;
      const value = Math.floor(next() * 2 ** width);
      for (let left = run; left > 0; left--) values.push(value);
    }
    const writer = new ByteWriter();
    writeRleBitPackedHybrid(writer, values, width);
    const bytes = writer.getBytes();
    const span = { bytes, start: 0, end: bytes.length, width };
    expect(Array.from(readHybrid(span, new Uint32Array(values.length)))).toEqual(values);
    const theirs = new Array<number>(values.length);
    readRleBitPackedHybrid({ view: new DataView(bytes.slice().buffer), offset: 0 }, width, theirs, bytes.length);
    expect(theirs).toEqual(values);
  });

  it.each([24, 25, 31, 32])('reads groups of values of %i bits', (width) => {
    const values = Array.from({ length: 8 }, (_, index) => (index * 0x1234_5677 + 5) % 2 ** width);
    const bits = values.reduce((all, value, index) => all | (BigInt(value) << BigInt(index * width)), 0n);
    const packed = Array.from({ length: width }, (_, at) => Number((bits >> BigInt(at * 8)) & 0xffn));
    const bytes = Uint8Array.from([3, ...packed]);
    expect(Array.from(readHybrid({ bytes, start: 0, end: bytes.length, width }, new Uint32Array(8)))).toEqual(values);
  });

  it('stops a run at the end of the output and skips empty runs', () => {
    // A run of 2^28 ones after two empty runs.
    const bytes = Uint8Array.from([1, 0, 7, 0x80, 0x80, 0x80, 0x80, 0x02, 1]);
    const span = { bytes, start: 0, end: bytes.length, width: 3 };
    expect(Array.from(readHybrid(span, new Uint8Array(4)))).toEqual([1, 1, 1, 1]);
  });

  it.each([
    ['nothing', []],
    ['a run without its value', [8]],
    ['a group that is cut off', [3, 1, 2]],
    ['a length that does not end', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  ])('refuses %s', (_, content) => {
    const bytes = Uint8Array.from(content);
    const span = { bytes, start: 0, end: bytes.length, width: 3 };
    expect(() => readHybrid(span, new Uint8Array(8))).toThrow(/ends before its values do|too long/);
  });

  it('gives the single value of all values if one run has it', () => {
    const span = (content: number[], width = 1) => {
      const bytes = Uint8Array.from(content);
      return { bytes, start: 0, end: bytes.length, width };
    };
    expect(uniformValue(span([20, 1]), 10)).toBe(1);
    expect(uniformValue(span([18, 1]), 10)).toBeUndefined();
    expect(uniformValue(span([5, 1, 1]), 10)).toBeUndefined();
    expect(uniformValue(span([], 0), 10)).toBe(0);
    expect([0, 1, 2, 3, 4].map(levelWidth)).toEqual([0, 1, 2, 2, 3]);
  });
});
