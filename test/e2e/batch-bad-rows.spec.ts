import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TableRequest } from '@sconce/client';
import { AFFINE_TABLE, batchScorer, type BatchScorer } from '../support/batch-scorer.ts';
import { digitRows } from '../support/rows.ts';
import { json, startStack, type Stack } from '../support/stack.ts';

// Rows and datasets that cannot be scored: each bad row is reported, all others are scored.

let stack: Stack;
let scorer: BatchScorer;

beforeAll(async () => {
  stack = await startStack();
  await Promise.all([...(['affine', 'lookup'] as const).map((model) => stack.push(model))]);
  scorer = batchScorer(stack.url);
});

describe('rows that cannot be scored', () => {
  it.each<[string, string, [number, string | null, RegExp][]]>([
    ['too few fields', '1,1,2,3,4\n2,1,2\n3,1,2,3,4', [[2, 'c', /3 fields; the header names 5/]]],
    ['too many fields', '1,1,2,3,4,5\n2,1,2,3,4', [[1, null, /6 fields/]]],
    ['text for a number', '1,1,x,3,4\n2,1,2,3,4', [[1, 'b', /"x"; expected a number/]]],
    [
      'no value for a number',
      '1,1,2,3,4\n2,1,,3,4\n3,1,2, ,4',
      [
        [2, 'b', /no value/],
        [3, 'c', /no value/],
      ],
    ],
    [
      'NaN and infinities',
      '1,nan,2,3,4\n2,1,inf,3,4\n3,1,2,1e39,4\n4,1,2,3,4',
      [
        [1, 'a', /finite/],
        [2, 'b', /finite/],
        [3, 'c', /too large for FP32/],
      ],
    ],
    ['a quote that is not closed', '1,1,2,3,4\n"2,1,2,3,4\n3,1,2,3,4', [[2, null, /without a closing quote/]]],
  ])('%s', async (_, rows, expected) => {
    const batch = await scorer.score({ ...AFFINE_TABLE, outputs: [{ from: 'y' }] }, `id,a,b,c,d\n${rows}\n`);
    const errors = await scorer.errorsOf(batch);
    expect(errors.map(({ row, error }) => [row, error.param])).toEqual(expected.map(([row, column]) => [row, column]));
    errors.forEach(({ error }, index) => expect(error.message).toMatch(expected[index]![2]));
    const total = rows.split('\n').length;
    expect(batch).toMatchObject({
      status: 'completed',
      request_counts: { total, completed: total - expected.length, failed: expected.length },
    });
    const bad = expected.map(([row]) => row);
    const good = Array.from({ length: total }, (_row, row) => row + 1).filter((row) => !bad.includes(row));
    expect(
      (await scorer.outputOf(batch))
        .split('\n')
        .slice(1, -1)
        .map((row) => Number(row.split(',')[0])),
    ).toEqual(good);
  });

  it('do not include rows with a BOM, CRLF or newlines in quotes', async () => {
    const batch = await scorer.score(AFFINE_TABLE, '\ufeffid,a,b,c,d\r\n"1\r\nx",1,2,3,4\r\n\r\n2,"1",2,3,4\r\n');
    expect(await scorer.outputOf(batch)).toBe('id,y_0,y_1,y_2,y_3\n"1\r\nx",3,5,7,9\n2,3,5,7,9\n');
  });

  it('are found one by one if the runtime fails on a row group; all others are scored', async () => {
    const rows = Array.from({ length: 3_000 }, (_, row) => (row % 1_000 === 700 ? 99 : row % 10));
    const batch = await scorer.score({ model: 'lookup' }, `index\n${rows.join('\n')}\n`);
    expect(batch.request_counts).toEqual({ total: 3_000, completed: 2_997, failed: 3 });
    const errors = await scorer.errorsOf(batch);
    expect(errors.map(({ row, error }) => [row, error.code])).toEqual(
      [701, 1_701, 2_701].map((row) => [row, 'invalid_input']),
    );
    const expected = rows.filter((row) => row !== 99).map((row) => `${row * 2},${row * 2 + 1}`);
    expect(await scorer.outputOf(batch)).toBe(`y_0,y_1\n${expected.join('\n')}\n`);
  });

  it('make the batch fail if they are more than max_error_rate', async () => {
    const rows = Array.from({ length: 5_000 }, (_, row) => (row % 4 === 0 ? 'x' : '1'));
    const batch = await scorer.score({ model: 'lookup', max_error_rate: 0.2 }, `index\n${rows.join('\n')}\n`);
    expect(batch).toMatchObject({ status: 'failed', errors: { data: [{ code: 'too_many_errors' }] } });
    expect((await scorer.errorsOf(batch)).length).toBeGreaterThan(0);
  });

  it('include a row over the length limit; the other rows are scored', async () => {
    const long = `"${'x'.repeat(20 * 1024 ** 2)}"`;
    const batch = await scorer.score(AFFINE_TABLE, `id,a,b,c,d\n1,1,2,3,4\n${long},1,2,3,4\n3,1,2,3,4\n`);
    expect(batch.request_counts).toEqual({ total: 3, completed: 2, failed: 1 });
    expect((await scorer.errorsOf(batch))[0]).toMatchObject({
      row: 2,
      error: { message: expect.stringMatching(/longer than/) },
    });
  });
});

describe('a dataset that cannot be scored', () => {
  it.each<[string, TableRequest, string | Uint8Array<ArrayBuffer>, string, RegExp, string | null]>([
    ['is empty', AFFINE_TABLE, '', 'rows.csv', /empty/, null],
    [
      'lacks a column',
      { ...AFFINE_TABLE, inputs: { x: ['a', 'b', 'c', 'e'] } },
      'id,a,b,c,d\n1,1,2,3,4\n',
      'rows.csv',
      /no column "e".*"id", "a"/,
      'inputs.x',
    ],
    [
      'has no column of the input’s name',
      { model: 'affine' },
      'id,a,b,c,d\n1,1,2,3,4\n',
      'rows.csv',
      /No column has the name of the model's input "x"/,
      'inputs.x',
    ],
    [
      'has too few columns',
      { model: 'affine', inputs: { x: '*' } },
      'a,b\n1,2\n',
      'rows.csv',
      /4 values a row; the file has 2 columns/,
      'inputs.x',
    ],
    [
      'names an unknown input',
      { model: 'affine', inputs: { z: 'a' } },
      'a\n1\n',
      'rows.csv',
      /"z"; the model has "x"/,
      'inputs.z',
    ],
    [
      'has a column twice',
      { model: 'affine', inputs: { x: '*' } },
      'a,b,a,c\n1,2,3,4\n',
      'rows.csv',
      /"a" more than once/,
      null,
    ],
    ['is not Parquet', { model: 'affine' }, 'a,b\n1,2\n', 'rows.parquet', /[Pp]arquet/, null],
    ['is not NPY', { model: 'affine' }, 'a,b\n1,2\n', 'rows.npy', /\.npy/, null],
    [
      'is a gzip that was cut off',
      AFFINE_TABLE,
      new Uint8Array(gzipSync(digitRows(1_000)).subarray(0, 3_000)),
      'rows.csv.gz',
      /gzip.*truncated/,
      'input',
    ],
    [
      'asks for an unknown output',
      { ...AFFINE_TABLE, outputs: [{ from: 'z' }] },
      'id,a,b,c,d\n1,1,2,3,4\n',
      'rows.csv',
      /"z", which the model lacks; its outputs are "y"/,
      'outputs[0]',
    ],
  ])('%s', async (_, request, text, filename, message, param) => {
    const batch = await scorer.score(request, text, filename);
    expect(batch).toMatchObject({ status: 'failed', output_file_id: null, error_file_id: null });
    expect(batch.errors?.data).toEqual([
      { code: 'invalid_dataset', message: expect.stringMatching(message), param, line: null },
    ]);
  });

  it('is refused at once if the request itself is wrong', async () => {
    const post = (body: unknown): Promise<Response> => stack.fetch('/v1/batches', json(body));
    for (const [body, status, param] of [
      [{ model: 'affine', input_file_id: 'file-0' }, 404, 'input_file_id'],
      [{ model: 'none', input_file_id: 'file-0' }, 404, null],
      [{ model: 'affine' }, 400, 'input_file_id'],
      [{ endpoint: '/v1/chat/completions', input_file_id: 'file-0' }, 400, 'endpoint'],
      [{ model: 'affine', input_file_id: 'file-0', nonsense: 1 }, 400, 'nonsense'],
      [{ model: 'affine', input_file_id: 'file-0', completion_window: 'soon' }, 400, 'completion_window'],
      [{ model: 'affine', input_url: 'http://example.org/x.csv' }, 400, 'input_url'],
    ] as const) {
      const response = await post(body);
      const { error } = (await response.json()) as { error: { param: string | null } };
      expect([response.status, error.param], JSON.stringify(body)).toEqual([status, param]);
    }
  });
});
