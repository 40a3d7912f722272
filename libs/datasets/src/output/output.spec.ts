import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryByteSource } from '@sconce/storage';
import type { Tensor, TensorSpec } from '@sconce/tensor';
import { createWriter, openDataset } from '../open-dataset.ts';
import type { DatasetFormat } from '../dataset-format.ts';
import type { RowBlock } from '../row-block.ts';
import { mapOutputs, type OutputSelection } from './output-mapping.ts';
import { OutputEncoder, type GroupResult } from './output-encoder.ts';
import { float32Text } from './number-text.ts';

const LOGITS: TensorSpec = { name: 'logits', datatype: 'FP32', shape: [-1, 3] };
const DATASET = { columns: [{ name: 'id' }], closed: true };

const logits = (rows: readonly (readonly number[])[]): Tensor => ({
  name: 'logits',
  datatype: 'FP32',
  shape: [rows.length, 3],
  data: new Uint8Array(Float32Array.from(rows.flat()).buffer),
});

async function written(
  format: DatasetFormat,
  given: {
    selection?: readonly OutputSelection[];
    passThrough?: readonly string[];
    ids: readonly unknown[];
    results: readonly GroupResult[];
  },
): Promise<Buffer> {
  const { selection, passThrough = ['id'], ids, results } = given;
  const columns = mapOutputs({ outputs: [LOGITS], hasRows: true, selection, passThrough, dataset: DATASET });
  const encoder = new OutputEncoder(columns);
  const block: RowBlock = {
    firstRow: 0,
    rows: ids.length,
    cells: { by: 'column', columns: [ids] },
    problems: new Map(),
  };
  const writer = await createWriter(columns, format);
  const part = writer.part();
  const encoded = encoder.encode(results, encoder.copyPassed(block, [0]));
  const body = [...part.write(encoded), ...part.end().body];
  const begin = writer.begin({ rows: encoded.rows });
  return Buffer.concat([begin, ...body, writer.end({ rows: encoded.rows, beginBytes: begin.length, parts: [] })]);
}

describe('results', () => {
  it('are in the order of the rows for any groups, without rows that have no results', async () => {
    const results = [
      {
        rows: [1, 3],
        outputs: [
          logits([
            [1, 1, 1],
            [3, 3, 3],
          ]),
        ],
      },
      {
        rows: [0, 4],
        outputs: [
          logits([
            [0, 0, 0],
            [4, 4, 4],
          ]),
        ],
      },
    ];
    const text = await written('csv', { ids: ['a', 'b', 'c', 'd', 'e'], results });
    expect(text.toString()).toBe('id,logits_0,logits_1,logits_2\na,0,0,0\nb,1,1,1\nd,3,3,3\ne,4,4,4\n');
  });

  it.each<[string, OutputSelection, string]>([
    ['argmax', { name: 'best', transform: 'argmax' }, 'best\n2\n0\n0\n'],
    [
      'softmax',
      { transform: 'softmax' },
      'logits_0,logits_1,logits_2\n0.09003057,0.24472848,0.66524094\n0.33333334,0.33333334,0.33333334\nNaN,NaN,NaN\n',
    ],
    [
      'top_k',
      { name: 'top', transform: 'top_k', k: 2 },
      'top_0,top_1,top_values_0,top_values_1\n2,1,3,2\n0,1,0,0\n0,1,NaN,0\n',
    ],
  ])('%s', async (_, selection, expected) => {
    const results = [
      {
        rows: [0, 1, 2],
        outputs: [
          logits([
            [1, 2, 3],
            [0, 0, 0],
            [NaN, 0, 0],
          ]),
        ],
      },
    ];
    const text = await written('csv', { selection: [selection], passThrough: [], ids: [0, 0, 0], results });
    expect(text.toString()).toBe(expected);
  });

  it('as JSON lines contain missing and non-finite values', async () => {
    const results = [
      {
        rows: [0, 1],
        outputs: [
          logits([
            [NaN, Infinity, -Infinity],
            [-0, 0.1, 1e-7],
          ]),
        ],
      },
    ];
    const text = await written('jsonl', { ids: [null, { a: [1n] }], results });
    expect(text.toString()).toBe(
      '{"id":null,"logits":[null,"Infinity","-Infinity"]}\n{"id":{"a":[1]},"logits":[-0,0.1,1e-7]}\n',
    );
  });

  it('as NPY have the header of NumPy', async () => {
    const results = [
      {
        rows: [0, 1],
        outputs: [
          logits([
            [1, 2, 3],
            [4, 5, 6],
          ]),
        ],
      },
    ];
    const file = await written('npy', { passThrough: [], ids: [0, 0], results });
    expect(file.length % 4).toBe(0);
    expect(file.toString('latin1', 0, 128)).toMatch(
      /^\x93NUMPY\x01\x00v\x00\{'descr': '<f4', 'fortran_order': False, 'shape': \(2, 3\), \} +\n$/,
    );
    await using reader = await openDataset(new MemoryByteSource(file), 'npy');
    expect(reader).toMatchObject({ rows: 2, columns: [{ name: 'data', datatype: 'FP32', list: 3 }] });
    const { chunk } = await reader.plan(reader.start, { rows: 10, multipleOf: 1, maxBytes: 1e6 });
    const values: unknown[] = [];
    for await (const { cells, rows } of reader.read({ range: chunk!, columns: ['data'], blockRows: 1 })) {
      expect(rows).toBe(1);
      if (cells.by === 'column')
        values.push(...Array.from(cells.columns[0]!, (list) => Array.from(list as Float32Array)));
    }
    expect(values).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      'an output that the model lacks',
      () => mapOutputs({ outputs: [LOGITS], hasRows: true, selection: [{ from: 'y' }], dataset: DATASET }),
      /has the output "y", which the model lacks; its outputs are "logits"/,
    ],
    [
      'a column that the file lacks',
      () => mapOutputs({ outputs: [LOGITS], hasRows: true, passThrough: ['x'], dataset: DATASET }),
      /pass_through has "x", which is not a column/,
    ],
    [
      'two columns with one name',
      () =>
        mapOutputs({
          outputs: [LOGITS],
          hasRows: true,
          selection: [{ name: 'id' }],
          passThrough: ['id'],
          dataset: DATASET,
        }),
      /Two columns/,
    ],
    [
      'k above the number of values',
      () =>
        mapOutputs({ outputs: [LOGITS], hasRows: true, selection: [{ transform: 'top_k', k: 4 }], dataset: DATASET }),
      /k is 4; expected 1 to 3, the values of output "logits"/,
    ],
  ])('refuse %s', (_, map, message) => {
    expect(map).toThrow(expect.objectContaining({ code: 'invalid_dataset', message: expect.stringMatching(message) }));
  });

  it('write FP32 so that reading gives the same number', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Object.is(Math.fround(Number(float32Text(value))), value)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
