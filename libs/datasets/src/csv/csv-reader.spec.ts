import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryByteSource } from '@sconce/storage';
import { InputEncoder } from '../mapping/encode-inputs.ts';
import { mapInputs } from '../mapping/input-mapping.ts';
import { openCsv } from './csv-reader.ts';

/** The tensor and the problems of a CSV text. Its columns are read as numbers, or as text and then converted. */
async function encoded(text: string, options: { numbers: boolean; blockRows?: number }): Promise<unknown> {
  await using reader = await openCsv(new MemoryByteSource(Buffer.from(text)), {});
  const width = reader.columns.length - 1;
  const model = { inputs: [{ name: 'x', datatype: 'FP32' as const, shape: [-1, width] }], rowInputs: new Set(['x']) };
  const encoder = new InputEncoder(mapInputs(reader, model, { x: reader.columns.slice(1).map(({ name }) => name) }), {
    allowNonFinite: false,
  });
  const { chunk } = await reader.plan(reader.start, { rows: 1e6, multipleOf: 1, maxBytes: 1e9 });
  const found: unknown[] = [];
  if (chunk === undefined) return found;
  const { blockRows = 100 } = options;
  const columns = [...encoder.columns, 'id'];
  for await (const block of reader.read({
    range: chunk,
    columns,
    blockRows,
    ...(options.numbers ? { numbers: encoder.numbers } : {}),
  })) {
    const { groups, problems } = encoder.encode(block);
    const { cells } = block;
    const ids = cells.by === 'row' ? cells.rows.map((row) => row[cells.at[columns.length - 1] ?? -1]) : [];
    found.push({
      rows: groups.flatMap(({ rows }) => rows),
      values: groups.flatMap(({ inputs }) => Array.from(new Float32Array(Uint8Array.from(inputs[0]!.data).buffer))),
      ids: ids.filter((_, row) => !problems.has(row)),
      problems: [...problems].sort(([a], [b]) => a - b),
    });
  }
  return found;
}

describe('numbers read from bytes', () => {
  it('equal the numbers read as text, with the same problems', async () => {
    const field = fc.oneof(
      { weight: 4, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true }).map(String) },
      {
        weight: 4,
        arbitrary: fc
          .double({ noNaN: true, noDefaultInfinity: true, min: -1e30, max: 1e30 })
          .map((value) => value.toFixed(6)),
      },
      { weight: 2, arbitrary: fc.integer().map(String) },
      fc.constantFrom(
        '',
        ' ',
        'x',
        'nan',
        '1e5',
        '1E-05',
        ' 7 ',
        '+3',
        '-',
        '.',
        '.5',
        '5.',
        '-.5',
        '0x1',
        '1e99',
        '00012',
        '123456789012345678',
        '"1"',
        '-0',
      ),
    );
    const row = fc
      .tuple(fc.constantFrom('a', 'é', ''), fc.array(field, { minLength: 2, maxLength: 4 }))
      .map(([id, fields]) => [id, ...fields].join(','));
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 20 }),
        fc.constantFrom('\n', '\r\n'),
        fc.integer({ min: 1, max: 7 }),
        async (rows, newline, blockRows) => {
          const text = ['id,a,b,c', ...rows].join(newline);
          expect(await encoded(text, { numbers: true, blockRows })).toEqual(
            await encoded(text, { numbers: false, blockRows }),
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});
