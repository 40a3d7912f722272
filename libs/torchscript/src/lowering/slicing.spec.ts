import { describe, expect, it } from 'vitest';

import { Emitter } from '../symbolic/emitter.ts';
import { addDims, freeAxis, symbol, valueAtom, type Dim } from '../symbolic/sym-int.ts';
import { readSelect, readSlice, sliceBounds, sliceView } from './slicing.ts';

const n = symbol(freeAxis('x', 0));
const anyNumber = symbol(valueAtom('i', 0));

/** A matrix `x` of `size` rows. */
function matrix(size: Dim): { emitter: Emitter; x: ReturnType<Emitter['graphTensor']> } {
  const emitter = new Emitter();
  return { emitter, x: emitter.graphTensor('x', 'float32', [size, 3]) };
}

describe('a slice’s size', () => {
  it.each<[size: Dim, start: Dim | null, end: Dim | null, step: number, expected: string]>([
    [10, null, null, 1, '10'],
    [10, 2, 5, 1, '3'],
    [10, 2, 2 ** 63, 1, '8'],
    [10, -3, null, 1, '3'],
    [10, -30, 30, 3, '4'],
    [10, 5, 2, 1, '0'],
    [10, 1, null, 4, '3'],
    [n, null, null, 1, 'size(x,0)'],
    [n, 1, null, 1, 'max(-1+size(x,0),0)'],
    [n, -1, null, 1, 'min(1,size(x,0))'],
    [n, null, 512, 1, 'min(512,size(x,0))'],
    [addDims(n, 5), 2, null, 1, '3+size(x,0)'],
    // It is known only at run time whether the bound counts from the end, so the size is that of the result.
    [n, anyNumber, null, 1, 'size(slice,0)'],
  ])('of %s rows from %s to %s by %s is %s', (size, start, end, step, expected) => {
    const { emitter, x } = matrix(size);
    const slice = readSlice(emitter, x, sliceBounds(0, start, end, step));
    expect(String(slice.shape[0])).toBe(expected);
    expect(slice.shape[1]).toBe(3);
  });
});

describe('writing to a slice', () => {
  it.each<[start: Dim | null, end: Dim | null, step: number, nodes: string[]]>([
    [null, null, 1, []],
    [2, 5, 1, ['Slice', 'Slice', 'Concat']],
    [0, 5, 1, ['Slice', 'Concat']],
    [1, null, 2, ['ScatterElements']],
  ])('from %s to %s by %s changes only that part of the base', (start, end, step, nodes) => {
    const { emitter, x } = matrix(10);
    const view = sliceView(emitter, x, sliceBounds(0, start, end, step));
    const before = emitter.root.build('g').nodes.length;
    emitter.heap.setTensor(view, emitter.graphTensor('updated', 'float32', view.shape).content);
    const added = emitter.root.build('g').nodes.slice(before);
    expect(added.map((node) => node.opType).filter((type) => type !== 'Expand')).toEqual(nodes);
    expect(x.shape).toEqual([10, 3]);
    expect(emitter.name(x)).toBe(added.at(-1)?.outputs[0] ?? 'updated');
  });

  it('does not change the base if it is empty', () => {
    const { emitter, x } = matrix(10);
    const view = sliceView(emitter, x, sliceBounds(0, 5, 2));
    emitter.heap.setTensor(view, emitter.graphTensor('updated', 'float32', [0, 3]).content);
    expect(emitter.name(x)).toBe('x');
  });
});

describe('an index', () => {
  it('out of range is refused', () => {
    const { emitter, x } = matrix(10);
    expect(() => readSelect(emitter, x, 0, 10)).toThrow('index 10 of an axis of 10');
    expect(() => readSelect(emitter, x, 0, -11)).toThrow('index -11 of an axis of 10');
  });

  it('into known elements returns one of them', () => {
    const { emitter } = matrix(10);
    const sizes = emitter.ints([n, 7]);
    expect(emitter.elementsOf(readSelect(emitter, sizes, 0, -2))).toEqual([n]);
  });
});
