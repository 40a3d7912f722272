import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { viewOf, type Datatype, type Tensor, type TensorSpec } from '@sconce/tensor';
import type { RowBlock } from '../row-block.ts';
import { InputEncoder, type EncodedInputs } from './encode-inputs.ts';
import { mapInputs, type InputSource } from './input-mapping.ts';

function encode(
  inputs: readonly TensorSpec[],
  block: Pick<RowBlock, 'cells' | 'rows'>,
  options: {
    columns: readonly string[];
    sources?: Record<string, InputSource>;
    rowInputs?: readonly string[];
    nan?: boolean;
  },
): EncodedInputs {
  const { columns, sources = {}, rowInputs = inputs.map(({ name }) => name), nan = false } = options;
  const dataset = { columns: columns.map((name) => ({ name })), closed: true };
  const mapped = mapInputs(dataset, { inputs, rowInputs: new Set(rowInputs) }, sources);
  const encoder = new InputEncoder(mapped, { allowNonFinite: nan });
  const at = encoder.columns.map((name) => columns.indexOf(name));
  const { cells } = block;
  const own: RowBlock['cells'] =
    cells.by === 'row' ? { ...cells, at } : { by: 'column', columns: at.map((index) => cells.columns[index] ?? []) };
  return encoder.encode({ firstRow: 0, rows: block.rows, cells: own, problems: new Map() });
}

const byRow = (rows: readonly (readonly unknown[])[]): Pick<RowBlock, 'cells' | 'rows'> => ({
  rows: rows.length,
  cells: { by: 'row', rows, at: [] },
});
const valuesOf = (tensor: Tensor | undefined): unknown[] =>
  tensor === undefined ? [] : Array.from(viewOf(tensor as Tensor & { datatype: 'FP32' }));

describe('rows as tensors', () => {
  it('finds its columns among others, in any order', () => {
    const { groups, problems } = encode(
      [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      byRow([
        ['9', '1', '8', '2'],
        ['7', '3', '6', '4'],
      ]),
      {
        columns: ['id', 'a', 'z', 'b'],
        sources: { x: ['a', 'b'] },
      },
    );
    expect(problems.size).toBe(0);
    expect(valuesOf(groups[0]?.inputs[0])).toEqual([1, 2, 3, 4]);
  });

  it('leaves out bad rows and keeps the order of the others', () => {
    const rows = [
      ['1', '2'],
      ['x', '2'],
      ['3', ''],
      ['5', '6'],
    ];
    const { groups, problems } = encode([{ name: 'x', datatype: 'FP32', shape: [-1, 2] }], byRow(rows), {
      columns: ['x_0', 'x_1'],
    });
    expect([...problems].map(([row, { column }]) => [row, column])).toEqual([
      [1, 'x_0'],
      [2, 'x_1'],
    ]);
    expect(groups).toMatchObject([{ rows: [0, 3], inputs: [{ shape: [2, 2] }] }]);
    expect(valuesOf(groups[0]?.inputs[0])).toEqual([1, 2, 5, 6]);
  });

  it('groups rows of one shape when an axis is free', () => {
    const rows = [[[1, 2]], [[3]], [[4, 5]], [[]]];
    const { groups } = encode([{ name: 'x', datatype: 'INT64', shape: [-1, -1] }], byRow(rows), { columns: ['x'] });
    expect(groups.map(({ rows: own, inputs }) => [own, inputs[0]?.shape])).toEqual([
      [
        [0, 2],
        [2, 2],
      ],
      [[1], [1, 1]],
      [[3], [1, 0]],
    ]);
  });

  it('runs each row alone if the model has no rows', () => {
    const { groups } = encode([{ name: 'x', datatype: 'FP32', shape: [2] }], byRow([[[1, 2]], [[3, 4]]]), {
      columns: ['x'],
      rowInputs: [],
    });
    expect(groups.map(({ inputs }) => [inputs[0]?.shape, valuesOf(inputs[0])])).toEqual([
      [[2], [1, 2]],
      [[2], [3, 4]],
    ]);
  });

  it('reads typed columns with nulls', () => {
    const columns = [Float64Array.of(1, 2, 3), [4n, null, 6n]];
    const block: Pick<RowBlock, 'cells' | 'rows'> = { rows: 3, cells: { by: 'column', columns } };
    const { groups, problems } = encode([{ name: 'x', datatype: 'FP32', shape: [-1, 2] }], block, {
      columns: ['x_0', 'x_1'],
    });
    expect([...problems.keys()]).toEqual([1]);
    expect(valuesOf(groups[0]?.inputs[0])).toEqual([1, 4, 3, 6]);
  });

  it.each<[Datatype, string, number | bigint | null]>([
    ['FP32', '1.5', 1.5],
    ['FP32', ' 2e3 ', 2_000],
    ['FP32', '-0', -0],
    ['FP32', '', null],
    ['FP32', ' ', null],
    ['FP32', '0x10', null],
    ['FP32', '1e39', null],
    ['FP32', 'NaN', null],
    ['FP64', '1e39', 1e39],
    ['FP16', '70000', null],
    ['BF16', '1', 0x3f80],
    ['INT8', '127', 127],
    ['INT8', '128', null],
    ['UINT8', '-1', null],
    ['INT32', '1.5', null],
    ['INT32', '1e3', 1_000],
    ['INT64', '9007199254740993', 9007199254740993n],
    ['INT64', '9223372036854775808', null],
    ['UINT64', '18446744073709551615', 18446744073709551615n],
    ['BOOL', 'TRUE', 1],
    ['BOOL', '0', 0],
    ['BOOL', 'yes', 1],
    ['BOOL', ' No ', 0],
    ['BOOL', 'maybe', null],
  ])('%s of %j', (datatype, text, expected) => {
    const { groups, problems } = encode([{ name: 'x', datatype, shape: [-1] }], byRow([[text]]), { columns: ['x'] });
    if (expected === null) expect(problems.size).toBe(1);
    else expect(valuesOf(groups[0]?.inputs[0])).toEqual([expected]);
  });

  it('copies typed lists, and checks each element of lists that do not fit', () => {
    const lists = [
      new Float32Array([1, 2]),
      new Float64Array([0.1, 3]),
      new Int32Array([-4, 5]),
      new Float32Array([NaN, 1]),
      new Float64Array([1e300, 1]),
      new BigInt64Array([6n, 7n]),
      new Uint16Array([1, 2, 3]),
    ];
    const block = { rows: lists.length, cells: { by: 'column', columns: [lists] } } as const;
    const spec = (datatype: Datatype): TensorSpec[] => [{ name: 'x', datatype, shape: [-1, 2] }];
    const floats = encode(spec('FP32'), block, { columns: ['x'] });
    expect(valuesOf(floats.groups[0]?.inputs[0])).toEqual([1, 2, Math.fround(0.1), 3, -4, 5, 6, 7]);
    expect([...floats.problems].map(([row, { message }]) => [row, message])).toEqual([
      [3, 'element 0 is NaN is not a finite number'],
      [4, expect.stringContaining('too large for FP32') as string],
      [6, 'a list of 3; expected shape [2]'],
    ]);
    // Where infinities are values, a number that is too large still is none.
    const allowed = encode(spec('FP32'), block, { columns: ['x'], nan: true });
    expect([...allowed.problems.keys()]).toEqual([4, 6]);
    const bools = encode(
      spec('BOOL'),
      { rows: 1, cells: { by: 'column', columns: [[new Uint8Array([1, 2])]] } },
      { columns: ['x'] },
    );
    expect([...bools.problems.keys()]).toEqual([0]);
  });

  it('accepts NaN and infinities if they are allowed', () => {
    const rows = [['nan'], ['-Inf'], ['Infinity'], ['x']];
    const { groups, problems } = encode([{ name: 'x', datatype: 'FP32', shape: [-1] }], byRow(rows), {
      columns: ['x'],
      nan: true,
    });
    expect([...problems.keys()]).toEqual([3]);
    expect(valuesOf(groups[0]?.inputs[0])).toEqual([NaN, -Infinity, Infinity]);
  });

  it('reads any number that JavaScript writes', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }), (numbers) => {
        const rows = numbers.map((number) => [String(number)]);
        const { groups } = encode([{ name: 'x', datatype: 'FP32', shape: [-1] }], byRow(rows), { columns: ['x'] });
        // Text has no negative zero.
        expect(valuesOf(groups[0]?.inputs[0])).toEqual(numbers.map((number) => (number === 0 ? 0 : number)));
      }),
    );
  });

  it('repeats a value for every row', () => {
    const specs: TensorSpec[] = [
      { name: 'x', datatype: 'FP32', shape: [-1] },
      { name: 'k', datatype: 'INT64', shape: [-1] },
    ];
    const { groups } = encode(specs, byRow([['1'], ['2']]), { columns: ['x'], sources: { k: { value: 7 } } });
    expect(valuesOf(groups[0]?.inputs[1])).toEqual([7n, 7n]);
  });
});
