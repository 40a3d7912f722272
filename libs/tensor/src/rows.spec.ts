import { describe, expect, it } from 'vitest';
import { concatRows, encodeBytes, padRows, rowCount, sliceRows, splitRows, writeRows, type Tensor } from './index.ts';

const x: Tensor = { name: 'x', datatype: 'UINT16', shape: [3, 2], data: Uint8Array.from({ length: 12 }, (_, i) => i) };
const s: Tensor = { name: 's', datatype: 'BYTES', shape: [3, 1], data: encodeBytes(['a', '', 'ccc']) };
const scalar: Tensor = { name: 'c', datatype: 'UINT8', shape: [], data: Uint8Array.of(1) };
const empty: Tensor = { ...x, shape: [0, 2], data: new Uint8Array() };

describe('rows', () => {
  it('are sliced without a copy', () => {
    const part = sliceRows(x, 1, 3);
    expect(part).toEqual({ ...x, shape: [2, 2], data: Uint8Array.of(4, 5, 6, 7, 8, 9, 10, 11) });
    expect(part.data.buffer).toBe(x.data.buffer);
    expect(sliceRows(s, 1, 3)).toMatchObject({ shape: [2, 1], data: encodeBytes(['', 'ccc']) });
    expect(sliceRows(x, 3, 3)).toMatchObject({ shape: [0, 2], data: new Uint8Array() });
  });

  it('are split and joined', () => {
    for (const tensor of [x, s]) {
      const parts = splitRows(tensor, [1, 0, 2]);
      expect(parts.map(rowCount)).toEqual([1, 0, 2]);
      expect(parts.every((part) => part.data.buffer === tensor.data.buffer)).toBe(true);
      const joined = concatRows(parts);
      expect({ ...joined, data: [...joined.data] }).toEqual({ ...tensor, data: [...tensor.data] });
    }
    expect(concatRows([x])).toBe(x);
  });

  it('are written into shared memory', () => {
    const target = new Uint8Array(new SharedArrayBuffer(32), 8);
    const joined = writeRows(target, [sliceRows(x, 2, 3), x]);
    expect(joined.shape).toEqual([4, 2]);
    expect(joined.data.buffer).toBe(target.buffer);
    expect([...joined.data]).toEqual([8, 9, 10, 11, ...x.data]);
    expect(() => writeRows(target.subarray(0, 11), [x])).toThrow(/3 rows take 12 bytes; the target has only 11/);
  });

  it('are padded by repeating the last row', () => {
    const padded = padRows(x, 5);
    expect(padded.shape).toEqual([5, 2]);
    expect([...padded.data]).toEqual([...x.data, 8, 9, 10, 11, 8, 9, 10, 11]);
    expect(Buffer.from(padRows(s, 4).data).equals(encodeBytes(['a', '', 'ccc', 'ccc']))).toBe(true);
    expect(padRows(x, 3)).toBe(x);
    const hollow: Tensor = { ...x, shape: [1, 0], data: new Uint8Array() };
    expect(padRows(hollow, 9)).toMatchObject({ shape: [9, 0], data: { length: 0 } });
  });

  it.each<[string, () => unknown, RegExp]>([
    ['a slice beyond the end', () => sliceRows(x, 1, 4), /cannot take rows 1 to 4 of UINT16\[3,2\]/],
    ['a slice that ends before it starts', () => sliceRows(x, 2, 1), /rows 2 to 1/],
    ['a fractional slice', () => sliceRows(x, 0.5, 1), /rows 0.5 to 1/],
    ['a split that does not add up', () => splitRows(x, [1, 1]), /cannot split 3 rows into parts of 1, 1/],
    ['a negative split', () => splitRows(x, [4, -1]), /cannot split 3 rows/],
    ['rows of a scalar', () => rowCount(scalar), /is a scalar/],
    ['an empty list to join', () => concatRows([]), /no tensors/],
    ['names that differ', () => concatRows([x, { ...x, name: 'y' }]), /cannot be joined with "y"/],
    ['datatypes that differ', () => concatRows([x, { ...x, datatype: 'INT16' }]), /UINT16\[3,2\].*INT16\[3,2\]/],
    ['inner shapes that differ', () => concatRows([x, { ...x, shape: [2, 3] }]), /UINT16\[3,2\].*UINT16\[2,3\]/],
    ['ranks that differ', () => concatRows([x, { ...x, shape: [6] }]), /UINT16\[6\]/],
    ['padding 0 rows', () => padRows(empty, 2), /no row to repeat/],
    ['padding to fewer rows', () => padRows(x, 2), /has 3 rows; cannot pad it to 2/],
  ])('refuse %s', (_, act, message) => {
    expect(act).toThrow(message);
    expect(act).toThrow(expect.objectContaining({ code: 'invalid_tensor' }));
  });
});
