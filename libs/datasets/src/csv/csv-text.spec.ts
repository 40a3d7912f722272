import { MemoryByteSource } from '@sconce/storage';
import { describe, expect, it } from 'vitest';
import { createWriter } from '../open-dataset.ts';
import { fileOf } from '../../fixtures/output-blocks.ts';
import { cellOf } from '../row-block.ts';
import { openCsv, type CsvOptions } from './csv-reader.ts';

async function rowsOf(
  bytes: Buffer,
  columns: readonly string[],
  numbers?: readonly string[],
): Promise<{ readonly rows: unknown[][]; readonly problems: unknown[] }> {
  await using reader = await openCsv(new MemoryByteSource(bytes), {});
  const { chunk } = await reader.plan(reader.start, { rows: 1e6, multipleOf: 1, maxBytes: 1e9 });
  const rows: unknown[][] = [];
  const problems: unknown[] = [];
  if (chunk === undefined) return { rows, problems };
  for await (const block of reader.read({ range: chunk, columns, numbers, blockRows: 10 })) {
    for (let row = 0; row < block.rows; row++) rows.push(columns.map((_, at) => cellOf(block.cells, row, at)));
    problems.push(...block.problems);
  }
  return { rows, problems };
}

const latin = (text: string): Buffer => Buffer.from(text, 'latin1');
const BAD = { column: 'name', message: expect.stringMatching(/not valid UTF-8.*--encoding/) as string };

describe('text that is not UTF-8', () => {
  it.each([
    ['without quotes', 'name,age\nMüller,30\nSmith,40\n'],
    ['with quotes elsewhere', 'name,age\nMüller,30\n"Smith",40\n'],
    ['in quotes', 'name,age\n"Mü,ller",30\nSmith,40\n'],
  ])('makes its row a bad row, %s, and no other', async (_what, text) => {
    const { rows, problems } = await rowsOf(latin(text), ['name', 'age']);
    expect(problems).toEqual([[0, BAD]]);
    expect(rows[1]).toEqual(['Smith', '40']);
  });

  it('does so if other columns are read as numbers', async () => {
    const { problems } = await rowsOf(latin('name,age\nSmith,40\nMüller,30\n'), ['name', 'age'], ['age']);
    expect(problems).toEqual([[1, BAD]]);
  });

  it('does not matter in columns that are not read', async () => {
    const { rows, problems } = await rowsOf(latin('name,age,city\nMüller,30,Rome\n'), ['age', 'city']);
    expect(problems).toEqual([]);
    expect(rows).toEqual([['30', 'Rome']]);
  });

  it('is refused in the header', async () => {
    await expect(openCsv(new MemoryByteSource(latin('größe\n1\n')), {})).rejects.toThrow(/first line.*not valid UTF-8/);
  });
});

describe('a first line of numbers', () => {
  const open = (text: string, options: CsvOptions = {}): ReturnType<typeof openCsv> =>
    openCsv(new MemoryByteSource(Buffer.from(text)), options);

  it.each(['3.5\n4.5\n', '1,2\n3,4\n', '2019,2020,2021\n1,2,3\n', '-1e5\n2\n'])('is refused: %j', async (text) => {
    await expect(open(text)).rejects.toThrow(/are numbers.*--no-header.*--header/);
    await using headerless = await open(text, { header: false });
    expect(headerless.start.offset).toBe(0);
    await using named = await open(text, { header: true });
    expect(named.columns.map(({ name }) => name)).toEqual(text.split('\n')[0]?.split(','));
  });

  it.each(['0,1,2\n5,6,7\n', '1,2,3\n5,6,7\n', 'a,1,2\n3,4,5\n', ',0,1\n0,5,6\n'])('is a header: %j', async (text) => {
    await using reader = await open(text);
    expect(reader.start.offset).toBe(text.indexOf('\n') + 1);
  });
});

it('writes texts of a known number into a field each', async () => {
  const source = { kind: 'output', output: 'y', transform: 'none', k: 5, part: 'values' } as const;
  const column = (name: string, rowShape: readonly number[]) => ({
    name,
    datatype: 'BYTES' as const,
    rowShape,
    source,
  });
  const writer = await createWriter([column('y', [2]), column('z', [1]), column('any', [-1])], 'csv');
  const values = [
    [['hello', 'wörld'], ['a, "b"'], ['x']],
    [['', 'c'], ['d'], []],
  ];
  const columns = [0, 1, 2].map((at) => ({ kind: 'values' as const, values: values.map((row) => row[at]) }));
  expect(fileOf(writer, [[{ rows: 2, columns }]]).toString()).toBe(
    'y_0,y_1,z_0,any\nhello,wörld,"a, ""b""","[""x""]"\n,c,d,[]\n',
  );
});
