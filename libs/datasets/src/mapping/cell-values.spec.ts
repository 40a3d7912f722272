import { describe, expect, it } from 'vitest';
import { MemoryByteSource } from '@sconce/storage';
import { viewOf, type Datatype, type Tensor } from '@sconce/tensor';
import { openDataset } from '../open-dataset.ts';
import type { ElementOptions } from './element-writers.ts';
import { InputEncoder } from './encode-inputs.ts';
import { mapInputs } from './input-mapping.ts';
import { missingValue } from './missing-values.ts';
import { plainNumber } from './number-format.ts';

// What a cell of a file means as an element of a tensor, read and encoded as a batch does.

const values = (tensor: Tensor): unknown[] => Array.from(viewOf({ ...tensor, datatype: tensor.datatype as 'FP32' }));

/** The elements of a file's columns a, b, … as one input. The row number and the problem of a bad row. */
async function elements(
  content: string,
  datatype: Datatype,
  {
    format = 'csv',
    delimiter,
    ...options
  }: Partial<ElementOptions> & { format?: 'csv' | 'jsonl'; delimiter?: string } = {},
): Promise<{ good: unknown[]; bad: string[] }> {
  await using reader = await openDataset(new MemoryByteSource(Buffer.from(content)), format, { csv: { delimiter } });
  const names = reader.columns.map(({ name }) => name);
  const model = { inputs: [{ name: 'x', datatype, shape: [-1, names.length] }], rowInputs: new Set(['x']) };
  const encoder = new InputEncoder(mapInputs(reader, model, { x: names }), { allowNonFinite: false, ...options });
  const { chunk } = await reader.plan(reader.start, { rows: 1_000, multipleOf: 1, maxBytes: 1e9 });
  const good: unknown[] = [];
  const bad: string[] = [];
  if (chunk === undefined) return { good, bad };
  const read = { range: chunk, columns: encoder.columns, numbers: encoder.numbers, blockRows: 1_000 };
  for await (const block of reader.read(read)) {
    const { groups, problems } = encoder.encode(block);
    for (const { inputs } of groups) for (const tensor of inputs) good.push(...values(tensor));
    for (const [row, { message }] of problems) bad.push(`${row}: ${message}`);
  }
  return { good, bad };
}

const FLOATS = ['FP32', 'FP64', 'FP16'] as const;
const SPELLINGS = ['', ' ', 'NA', 'N/A', 'n/a', 'nan', 'NaN', 'null', 'NULL', 'None', '<NA>', '#N/A', '?'];

describe('missing values', () => {
  it.each(SPELLINGS)('%j is bad, NaN, or the given value', async (text) => {
    const file = `a,b\n${text},1\n2,3\n`;
    expect((await elements(file, 'FP32')).bad.length).toBe(1);
    for (const datatype of FLOATS) {
      expect(await elements(file, datatype, { missing: missingValue('nan') })).toEqual({
        good: [NaN, 1, 2, 3],
        bad: [],
      });
      expect(await elements(file, datatype, { missing: -1 })).toEqual({ good: [-1, 1, 2, 3], bad: [] });
    }
    expect(await elements(file, 'INT32', { missing: missingValue('7') })).toEqual({ good: [7, 1, 2, 3], bad: [] });
    expect(await elements(file, 'INT64', { missing: 7 })).toEqual({ good: [7n, 1n, 2n, 3n], bad: [] });
  });

  it.each(['oops', 'nano', '--', 'inf', '1;2'])('%j is no missing value', async (text) => {
    const { good, bad } = await elements(`a,b\n${text},1\n2,3\n`, 'FP32', { missing: 0 });
    expect([good, bad.length]).toEqual([[2, 3], 1]);
  });

  it('integers have no NaN, and a value must fit', async () => {
    const file = 'a\nNA\n1\n';
    expect((await elements(file, 'INT32', { missing: NaN })).bad).toEqual([
      '0: element 0 is no value, and INT32 has no NaN that could stand for it',
    ]);
    expect((await elements(file, 'UINT8', { missing: 300 })).bad).toEqual([
      expect.stringMatching(/^0: element 0 is 300; expected a whole number from 0 to 255/),
    ]);
  });

  it('are null, NaN and absent fields in JSON', async () => {
    const file = '{"a":1,"b":null}\n{"a":NaN,"b":2}\n{"b":3}\n{"a":-Infinity,"b":1}\n{"a":4,"b":"NaN, not"}\n';
    const { good, bad } = await elements(file, 'FP32', { format: 'jsonl', missing: 0 });
    expect([good, bad.length]).toEqual([[1, 0, 0, 2, 0, 3], 2]);
    expect(
      (await elements('{"a":-Infinity,"b":NaN}\n', 'FP64', { format: 'jsonl', allowNonFinite: true })).good,
    ).toEqual([-Infinity, NaN]);
    expect((await elements('{"a":NaN,"b":}\n', 'FP64', { format: 'jsonl' })).bad.length).toBe(1);
  });

  it('do not let infinities in', async () => {
    expect((await elements('a\ninf\n', 'FP32', { missing: NaN })).bad.length).toBe(1);
  });
});

describe('numbers in text', () => {
  it.each<[string, string | undefined, string | undefined, string | undefined]>([
    ['1,5', ',', undefined, '1.5'],
    ['-1234,5e3', ',', undefined, '-1234.5e3'],
    ['1.234,5', ',', '.', '1234.5'],
    ['12.345.678', ',', '.', '12345678'],
    ['1234,5', ',', '.', '1234.5'],
    ['1,234.5', undefined, ',', '1234.5'],
    ['1 234 567,25', ',', ' ', '1234567.25'],
    ['1\u00a0234', ',', ' ', '1234'],
    ["1'234.5", undefined, "'", '1234.5'],
    [' 7 ', ',', '.', '7'],
    ['1.2', ',', '.', undefined],
    ['1.23,4', ',', '.', undefined],
    ['12.34.567', ',', '.', undefined],
    ['1.5', ',', undefined, undefined],
    ['1,5,5', ',', undefined, undefined],
    ['0x10', ',', undefined, undefined],
    ['eins', ',', '.', undefined],
  ])('%j with %j and %j', (text, decimal, thousands, expected) => {
    expect(plainNumber(text, { decimal, thousands })).toBe(expected);
  });

  it('are read in their format by every datatype, and others make bad rows', async () => {
    const file = 'a;b\n1,5;1.000\n2.000;0,25\n1.5;1\n';
    const options = { delimiter: ';', numbers: { decimal: ',', thousands: '.' } };
    for (const datatype of FLOATS) {
      const { good, bad } = await elements(file, datatype, options);
      expect([good, bad.length]).toEqual([[1.5, 1_000, 2_000, 0.25], 1]);
    }
    expect(await elements('a\n1.000\n', 'INT64', options)).toEqual({ good: [1_000n], bad: [] });
    // Without the format the point is the decimal separator.
    expect((await elements('a\n1.000\n', 'FP32')).good).toEqual([1]);
  });
});

it('yes and no are truth values', async () => {
  const file = 'a\nyes\nNo\nY\nf\nTRUE\noff\n1\nmaybe\n';
  expect(await elements(file, 'BOOL')).toEqual({
    good: [1, 0, 1, 0, 1, 0, 1],
    bad: ['7: element 0 is "maybe"; expected true or false'],
  });
});
