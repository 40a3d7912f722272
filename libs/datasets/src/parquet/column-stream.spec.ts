import { describe, expect, it } from 'vitest';
import { expectedColumns, fixture, plain } from '../../fixtures/fixture-rows.ts';
import { numbersOf } from '../../fixtures/output-blocks.ts';
import { ColumnStream } from './column-stream.ts';
import { readFooter } from './parquet-footer.ts';

const FILES = [
  ['flat-v1-snappy-dictionary', 'flat'],
  ['flat-v2-brotli-dictionary', 'flat'],
  ['lists-v1-snappy', 'lists'],
  ['lists-v1-none-plain', 'lists'],
  ['lists-v2-zstd', 'lists'],
  ['encoded-v2', 'encoded'],
] as const;

describe('ColumnStream', () => {
  it.each(FILES)('continues in %s after releasing everything, and skips rows', async (file, table) => {
    const source = await fixture(`${file}.parquet`);
    const footer = await readFooter(source);
    const expected = await expectedColumns(table);
    for (let seed = 1; seed < 6; seed++) {
      for (const column of footer.columns) {
        const next = numbersOf(seed);
        const stream = new ColumnStream(source, footer, column);
        for (let row = Math.floor(next() * 30); row < footer.rows;) {
          const count = Math.min(footer.rows - row, 1 + Math.floor(next() * 20));
          const values = Array.from(await stream.rows(row, count), plain);
          expect(values, `${column.name} ${row}`).toEqual(expected[column.name]?.slice(row, row + count));
          if (next() < 0.7) stream.release(0);
          row += count + (next() < 0.3 ? Math.floor(next() * 15) : 0);
        }
      }
    }
  });
});
