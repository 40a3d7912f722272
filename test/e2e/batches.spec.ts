import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { SconceClient, hasEnded, type Batch, type RowError, type TableRequest } from '@sconce/client';
import { temporaryFolder } from '@sconce/testing';
import { DIGITS_TABLE, bytesOf, digitRows, scoreAll } from '../support/rows.ts';
import { json, startStack, type Stack } from '../support/stack.ts';

// Tables of rows, by the SDK and by plain HTTP.

const DIGITS = fileURLToPath(new URL('../../examples/digits/digits.onnx', import.meta.url));

let stack: Stack;
let client: SconceClient;
let allowed: string;

beforeAll(async () => {
  allowed = temporaryFolder('datasets');
  stack = await startStack({ env: { SCONCE_DATASET_ROOTS: allowed } });
  await Promise.all([
    ...(['affine', 'lookup', 'slow', 'every-type'] as const).map((model) => stack.push(model)),
    stack.pushFile(DIGITS, 'digits'),
  ]);
  client = new SconceClient({ url: stack.url });
});

const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text));
const AFFINE: TableRequest = { model: 'affine', inputs: { x: ['a', 'b', 'c', 'd'] }, pass_through: ['id'] };

async function score(
  request: TableRequest,
  text: string | Uint8Array<ArrayBuffer>,
  filename = 'rows.csv',
): Promise<Batch> {
  return scoreAll(stack.url, request, typeof text === 'string' ? bytes(text) : text, filename);
}

async function outputOf({ id }: Batch): Promise<string> {
  return (await bytesOf(await client.batches.output(id))).toString();
}

async function errorsOf({ id }: Batch): Promise<RowError[]> {
  const errors: RowError[] = [];
  for await (const error of client.batches.errors(id)) errors.push(error);
  return errors;
}

describe('a table', () => {
  it('comes out in its order, with the columns asked for', async () => {
    const batch = await score(
      {
        ...AFFINE,
        outputs: [{ from: 'y' }, { name: 'best', transform: 'argmax' }, { name: 'top', transform: 'top_k', k: 2 }],
      },
      'id,a,b,c,d\nfirst,1,2,3,4\n"second, with a ""quote""",4,3,2,1\n',
    );
    expect(batch).toMatchObject({
      status: 'completed',
      progress: 1,
      request_counts: { total: 2, completed: 2, failed: 0 },
    });
    expect(await outputOf(batch)).toBe(
      'id,y_0,y_1,y_2,y_3,best,top_0,top_1,top_values_0,top_values_1\n' +
        'first,3,5,7,9,3,3,2,9,7\n"second, with a ""quote""",9,7,5,3,0,0,1,9,7\n',
    );
  });

  it('may be JSONL, with lists', async () => {
    const rows = '{"id": 1, "x": [1, 2, 3, 4]}\n\n{"id": "b", "x": [5, 6, 7, 8], "more": true}\n';
    const batch = await score({ model: 'affine', pass_through: ['id', 'more'] }, rows, 'rows.jsonl');
    expect(await outputOf(batch)).toBe(
      '{"id":1,"more":null,"y":[3,5,7,9]}\n{"id":"b","more":true,"y":[11,13,15,17]}\n',
    );
  });

  it.each(['parquet', 'arrow', 'npy'] as const)('goes to %s and back in', async (format) => {
    const made = await score(
      { ...DIGITS_TABLE, output_format: format, pass_through: format === 'npy' ? [] : ['id'] },
      digitRows(1_000),
    );
    expect(made).toMatchObject({ status: 'completed' });
    const file = new Uint8Array(await bytesOf(await client.batches.output(made.id)));
    const column = format === 'npy' ? 'data' : made.output_format === 'arrow' ? 'logits' : 'logits';
    const passThrough = format === 'npy' ? {} : { pass_through: ['id'] };
    // The identity of two columns shows what is in them; ten of them do not fit the model and say so.
    const again = await score(
      { model: 'affine', inputs: { x: column }, output_format: 'jsonl', ...passThrough },
      file,
      `made.${format}`,
    );
    const errors = await errorsOf(again);
    expect(again.request_counts).toEqual({ total: 1_000, completed: 0, failed: 1_000 });
    expect(errors[999]).toMatchObject({
      row: 1_000,
      error: { message: expect.stringMatching(/a list of 10; expected shape \[4\]/) },
    });
  });

  it('takes every type', async () => {
    const kinds = [
      'BOOL',
      'UINT8',
      'UINT16',
      'UINT32',
      'UINT64',
      'INT8',
      'INT16',
      'INT32',
      'INT64',
      'FP16',
      'FP32',
      'FP64',
      'BYTES',
    ];
    const values: Record<string, string> = {
      BOOL: '[true,false]',
      UINT64: '[18446744073709551615,1]',
      INT64: '[-9223372036854775808,9007199254740993]',
      BYTES: '["ä","b"]',
      FP64: '[0.1,12345.678901234567]',
      FP32: '[0.1,-2.5]',
    };
    const row = kinds.map((kind) => `"in_${kind}":${values[kind] ?? '[1,2]'}`).join(',');
    const batch = await score({ model: 'every-type' }, `{${row}}\n`, 'rows.jsonl');
    expect(await errorsOf(batch)).toEqual([]);
    expect(await outputOf(batch)).toBe(`{${row.replaceAll('in_', 'out_')}}\n`);
  });
});

describe('rows that cannot be scored', () => {
  it.each<[string, string, [number, string | null, RegExp][]]>([
    ['too few fields', '1,1,2,3,4\n2,1,2\n3,1,2,3,4', [[2, 'c', /3 fields; the header names 5/]]],
    ['too many fields', '1,1,2,3,4,5\n2,1,2,3,4', [[1, null, /6 fields/]]],
    ['text for a number', '1,1,x,3,4\n2,1,2,3,4', [[1, 'b', /"x"; expected a number/]]],
    [
      'nothing for a number',
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
        [3, 'c', /beyond what FP32/],
      ],
    ],
    ['a quote that nothing closes', '1,1,2,3,4\n"2,1,2,3,4\n3,1,2,3,4', [[2, null, /nothing closes/]]],
  ])('%s', async (_, rows, expected) => {
    const batch = await score({ ...AFFINE, outputs: [{ from: 'y' }] }, `id,a,b,c,d\n${rows}\n`);
    const errors = await errorsOf(batch);
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
      (await outputOf(batch))
        .split('\n')
        .slice(1, -1)
        .map((row) => Number(row.split(',')[0])),
    ).toEqual(good);
  });

  it('a BOM, CRLF, newlines in quotes: no harm', async () => {
    const batch = await score(AFFINE, '\ufeffid,a,b,c,d\r\n"1\r\nx",1,2,3,4\r\n\r\n2,"1",2,3,4\r\n');
    expect(await outputOf(batch)).toBe('id,y_0,y_1,y_2,y_3\n"1\r\nx",3,5,7,9\n2,3,5,7,9\n');
  });

  it('are isolated where the runtime fails on them; all others are scored', async () => {
    const rows = Array.from({ length: 3_000 }, (_, row) => (row % 1_000 === 700 ? 99 : row % 10));
    const batch = await score({ model: 'lookup' }, `index\n${rows.join('\n')}\n`);
    expect(batch.request_counts).toEqual({ total: 3_000, completed: 2_997, failed: 3 });
    const errors = await errorsOf(batch);
    expect(errors.map(({ row, error }) => [row, error.code])).toEqual(
      [701, 1_701, 2_701].map((row) => [row, 'inference_failed']),
    );
    const expected = rows.filter((row) => row !== 99).map((row) => `${row * 2},${row * 2 + 1}`);
    expect(await outputOf(batch)).toBe(`y_0,y_1\n${expected.join('\n')}\n`);
  });

  it('may be few: beyond max_error_rate the batch fails, and says so', async () => {
    const rows = Array.from({ length: 5_000 }, (_, row) => (row % 4 === 0 ? 'x' : '1'));
    const batch = await score({ model: 'lookup', max_error_rate: 0.2 }, `index\n${rows.join('\n')}\n`);
    expect(batch).toMatchObject({ status: 'failed', errors: { data: [{ code: 'too_many_errors' }] } });
    expect((await errorsOf(batch)).length).toBeGreaterThan(0);
  });

  it('a row longer than any may be costs itself', async () => {
    const long = `"${'x'.repeat(20 * 1024 ** 2)}"`;
    const batch = await score(AFFINE, `id,a,b,c,d\n1,1,2,3,4\n${long},1,2,3,4\n3,1,2,3,4\n`);
    expect(batch.request_counts).toEqual({ total: 3, completed: 2, failed: 1 });
    expect((await errorsOf(batch))[0]).toMatchObject({
      row: 2,
      error: { message: expect.stringMatching(/longer than/) },
    });
  });
});

describe('a dataset that cannot be scored', () => {
  it.each<[string, TableRequest, string | Uint8Array<ArrayBuffer>, string, RegExp, string | null]>([
    ['is empty', AFFINE, '', 'rows.csv', /empty/, null],
    [
      'lacks a column',
      { ...AFFINE, inputs: { x: ['a', 'b', 'c', 'e'] } },
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
      /No column is named "x"/,
      'inputs.x',
    ],
    [
      'has too few columns',
      { model: 'affine', inputs: { x: '*' } },
      'a,b\n1,2\n',
      'rows.csv',
      /4 values a row; 2 columns/,
      'inputs.x',
    ],
    [
      'names an input that is none',
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
    ['is no Parquet', { model: 'affine' }, 'a,b\n1,2\n', 'rows.parquet', /[Pp]arquet/, null],
    ['is no NPY', { model: 'affine' }, 'a,b\n1,2\n', 'rows.npy', /\.npy/, null],
    [
      'is a gzip that was cut off',
      AFFINE,
      new Uint8Array(gzipSync(digitRows(1_000)).subarray(0, 3_000)),
      'rows.csv.gz',
      /gzip.*cut off/,
      'input',
    ],
    [
      'asks for an output that is none',
      { ...AFFINE, outputs: [{ from: 'z' }] },
      'id,a,b,c,d\n1,1,2,3,4\n',
      'rows.csv',
      /"z"; the model's outputs are "y"/,
      'outputs[0]',
    ],
  ])('%s', async (_, request, text, filename, message, param) => {
    const batch = await score(request, text, filename);
    expect(batch).toMatchObject({ status: 'failed', output_file_id: null, error_file_id: null });
    expect(batch.errors?.data).toEqual([
      { code: 'invalid_dataset', message: expect.stringMatching(message), param, line: null },
    ]);
  });

  it('is told of at once where the request itself is wrong', async () => {
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

  it('unpacks what is compressed', async () => {
    const batch = await score(DIGITS_TABLE, new Uint8Array(gzipSync(digitRows(3_000))), 'rows.csv.gz');
    expect(batch.request_counts).toEqual({ total: 3_000, completed: 3_000, failed: 0 });
  });
});

describe('a dataset that lies where the operator allows', () => {
  it('is read where it is; nothing else is', async () => {
    const inside = join(allowed, 'rows.csv');
    const outside = join(temporaryFolder('elsewhere'), 'rows.csv');
    for (const path of [inside, outside]) writeFileSync(path, 'id,a,b,c,d\n1,1,2,3,4\n');
    mkdirSync(join(allowed, 'sub'));
    symlinkSync(outside, join(allowed, 'sub', 'link.csv'));
    const submit = async (path: string): Promise<Batch> => {
      const { id } = await client.batches.create({ ...AFFINE, input_url: pathToFileURL(path).href });
      return client.batches.wait(id);
    };
    expect(await submit(inside)).toMatchObject({ status: 'completed', input_url: pathToFileURL(inside).href });
    for (const path of [outside, join(allowed, 'sub', 'link.csv'), join(allowed, '..', 'rows.csv')]) {
      expect(await submit(path), path).toMatchObject({
        status: 'failed',
        errors: { data: [{ code: 'invalid_dataset' }] },
      });
    }
  });
});

/** Rows that take some tenths of a second each. */
const slowRows = (rows: number): Uint8Array<ArrayBuffer> => bytes(`steps\n${'3000\n'.repeat(rows)}`);

describe('a batch under way', () => {
  it('is cancelled within 2 s, keeps what was scored, and goes on when it is retried', async () => {
    const { id } = await client.batches.score({ model: 'slow' }, slowRows(400), { filename: 'rows.csv' });
    for await (const batch of client.batches.progress(id)) if (batch.request_counts.completed > 0) break;
    const asked = Date.now();
    expect((await client.batches.cancel(id)).status).toBe('cancelling');
    const cancelled = await client.batches.wait(id);
    expect(Date.now() - asked).toBeLessThan(2_000);
    const { completed } = cancelled.request_counts;
    expect(cancelled).toMatchObject({ status: 'cancelled', request_counts: { failed: 0 } });
    expect((await outputOf(cancelled)).split('\n').length).toBe(completed + 2);
    expect(completed).toBeLessThan(400);
    expect((await client.batches.cancel(id)).status).toBe('cancelled');
    expect(await client.batches.retry(id)).toMatchObject({ status: 'in_progress', run: 2 });
    await expect(client.batches.retry(id)).rejects.toMatchObject({ code: 'batch_not_finished' });
    for await (const batch of client.batches.progress(id)) if (batch.request_counts.completed > completed) break;
    await client.batches.cancel(id);
    const again = await client.batches.wait(id);
    expect(again.request_counts.completed).toBeGreaterThan(completed);
    await expect(client.files.get(cancelled.output_file_id ?? '')).rejects.toMatchObject({ code: 'file_not_found' });
  });

  it('shows its results so far, from the first row on', async () => {
    const { id } = await client.batches.score({ model: 'slow' }, slowRows(300), { filename: 'rows.csv' });
    let lines = 0;
    for await (const batch of client.batches.progress(id)) {
      if (batch.status !== 'in_progress' || batch.request_counts.completed === 0) continue;
      lines = (await outputOf(batch)).split('\n').length - 2;
      if (lines > 0) break;
    }
    expect(lines).toBeGreaterThan(0);
    expect(hasEnded(await client.batches.get(id))).toBe(false);
    await client.batches.cancel(id);
    await client.batches.wait(id);
  });

  it('expires when its time is over', async () => {
    const { id } = await client.batches.score({ model: 'slow', completion_window: '2s' }, slowRows(400), {
      filename: 'rows.csv',
    });
    const batch = await client.batches.wait(id);
    expect(batch).toMatchObject({ status: 'expired', expired_at: expect.any(Number) });
    expect(batch.request_counts.completed).toBeLessThan(400);
  });

  it('is one and the same for one Idempotency-Key', async () => {
    const dataset = await client.files.create(bytes('id,a,b,c,d\n1,1,2,3,4\n'), { filename: 'rows.csv' });
    const request = { ...AFFINE, input_file_id: dataset.id };
    const [first, second] = await Promise.all([
      client.batches.create(request, { idempotencyKey: 'once' }),
      client.batches.create(request, { idempotencyKey: 'once' }),
    ]);
    expect(second.id).toBe(first.id);
    const other = client.batches.create({ ...request, priority: 1 }, { idempotencyKey: 'once' });
    await expect(other).rejects.toMatchObject({ code: 'idempotency_conflict' });
  });
});

describe('two batches', () => {
  it('share the workers: a small one is not held up by a large one', async () => {
    const { id: large } = await client.batches.score({ model: 'slow' }, slowRows(2_000), { filename: 'rows.csv' });
    for await (const batch of client.batches.progress(large)) if (batch.request_counts.completed > 0) break;
    const began = Date.now();
    const small = await score(AFFINE, 'id,a,b,c,d\n1,1,2,3,4\n');
    expect(small.status).toBe('completed');
    expect(Date.now() - began).toBeLessThan(20_000);
    expect(hasEnded(await client.batches.get(large))).toBe(false);
    await client.batches.cancel(large);
    await client.batches.wait(large);
  });
});

describe('plain HTTP', () => {
  it('takes the dataset as the body, with the request in the query', async () => {
    const query = new URLSearchParams({
      model: 'affine',
      inputs: '{"x":["a","b","c","d"]}',
      pass_through: 'id',
      output_format: 'jsonl',
    });
    const submitted = await stack.fetch(`/v1/batches?${query}`, {
      method: 'POST',
      headers: { 'content-type': 'text/csv' },
      body: 'id,a,b,c,d\n1,1,2,3,4\n',
    });
    const { id } = (await submitted.json()) as Batch;
    expect([submitted.status, submitted.headers.get('location')]).toEqual([200, `/v1/batches/${id}`]);
    const batch = await client.batches.wait(id);
    expect(await outputOf(batch)).toBe('{"id":"1","y":[3,5,7,9]}\n');
    const content = await stack.fetch(`/v1/files/${batch.output_file_id}/content`);
    expect(content.headers.get('content-type')).toBe('application/jsonl');
    expect(content.headers.get('content-length')).toBe('25');
  });
});
