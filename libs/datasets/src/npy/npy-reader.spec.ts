import { expect, it } from 'vitest';
import { MemoryByteSource } from '@sconce/storage';
import { openDataset } from '../open-dataset.ts';

/** A file as NumPy writes it. */
function npy(descr: string, shape: readonly number[], data: Uint8Array, fortran = false): Buffer {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${tuple}), }\n`;
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY', 'latin1');
  head[6] = 1;
  head.writeUInt16LE(text.length, 8);
  return Buffer.concat([head, Buffer.from(text), data]);
}

async function rowsOf(
  file: Buffer,
  size = { rows: 1_000, multipleOf: 1, maxBytes: 1e9 },
  blockRows = 2,
): Promise<unknown[]> {
  await using reader = await openDataset(new MemoryByteSource(file), 'npy');
  const found: unknown[] = [];
  let from = reader.start;
  for (let last = false; !last;) {
    const planned = await reader.plan(from, size);
    ({ next: from, last } = planned);
    if (planned.chunk === undefined) continue;
    for await (const { cells } of reader.read({ range: planned.chunk, columns: ['data'], blockRows })) {
      if (cells.by !== 'column') throw new Error('not by column');
      for (const value of Array.from(cells.columns[0] ?? []))
        found.push(ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value);
    }
  }
  return found;
}

/** Elements of C order in the order of Fortran. */
function toFortran(values: readonly number[], shape: readonly number[]): number[] {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const places: number[][] = [[]];
  for (const size of shape.toReversed())
    places.splice(
      0,
      places.length,
      ...places.flatMap((rest) => Array.from({ length: size }, (_, at) => [at, ...rest])),
    );
  // The first axis changes fastest.
  return places.map((place) => values[place.reduce((sum, at, axis) => sum + at * (strides[axis] ?? 0), 0)] ?? NaN);
}

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

it.each([[[5, 3]], [[1, 4]], [[4, 1]], [[7, 2, 3]], [[3, 2, 3, 2]], [[6]]])(
  'rows in Fortran order are those in C order: %j',
  async (shape) => {
    const values = Array.from({ length: count(shape) }, (_, at) => at);
    const c = npy('<f4', shape, new Uint8Array(Float32Array.from(values).buffer));
    const f = npy('<f4', shape, new Uint8Array(Float32Array.from(toFortran(values, shape)).buffer), true);
    const expected = await rowsOf(c);
    expect(await rowsOf(f)).toEqual(expected);
    // Also in chunks that begin anywhere, and in blocks.
    expect(await rowsOf(f, { rows: 2, multipleOf: 1, maxBytes: 1e9 }, 1)).toEqual(expected);
  },
);

it.each<[string, (view: DataView, at: number, value: number) => void, number]>([
  ['>f4', (view, at, value) => view.setFloat32(at * 4, value), 4],
  ['>f8', (view, at, value) => view.setFloat64(at * 8, value), 8],
  ['>i2', (view, at, value) => view.setInt16(at * 2, value), 2],
  ['>i4', (view, at, value) => view.setInt32(at * 4, value), 4],
  ['>u4', (view, at, value) => view.setUint32(at * 4, value), 4],
  ['=i1', (view, at, value) => view.setInt8(at, value), 1],
])('elements are read in either byte order: %s', async (descr, write, bytes) => {
  const view = new DataView(new ArrayBuffer(6 * bytes));
  for (let at = 0; at < 6; at += 1) write(view, at, at + 1);
  const data = new Uint8Array(view.buffer);
  expect(await rowsOf(npy(descr, [3, 2], data))).toEqual([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  // The same bytes in Fortran order: the first three are the first column.
  expect(await rowsOf(npy(descr, [3, 2], data, true))).toEqual([
    [1, 4],
    [2, 5],
    [3, 6],
  ]);
});

it.each([
  ['|O', /type "\|O", which tensors do not support/],
  ['<c8', /type "<c8"/],
  ['f4', /type "f4"/],
])('refuses elements of type %s', async (descr, message) => {
  await expect(rowsOf(npy(descr, [1], new Uint8Array(4)))).rejects.toThrow(message);
});

it('refuses rows in Fortran order that would take too many reads', async () => {
  await expect(rowsOf(npy('|u1', [1, 5_000], new Uint8Array(5_000), true))).rejects.toThrow(/ascontiguousarray/);
});
