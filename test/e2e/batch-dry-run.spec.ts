import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { SconceClient, type BatchDryRun } from '@sconce/client';
import { json, startStack, type Stack } from '../support/stack.ts';

// What a batch would do, over HTTP, against the built system.

let stack: Stack;
let client: SconceClient;
beforeAll(async () => {
  stack = await startStack();
  await stack.push('affine');
  client = new SconceClient({ url: stack.url });
});

const CSV = `id,a,b,c,d\n${Array.from({ length: 500 }, (_, row) => `${row},1,2,3,${row}\n`).join('')}`;
const csv = Buffer.from(CSV);
const TABLE = { model: 'affine', format: 'csv', inputs: { x: ['a', 'b', 'c', 'd'] } } as const;

async function listed(): Promise<{ batches: number; files: number }> {
  const count = async (entries: AsyncIterable<unknown>): Promise<number> => {
    let found = 0;
    for await (const _ of entries) found += 1;
    return found;
  };
  return { batches: await count(client.batches.list()), files: await count(client.files.list()) };
}

describe('a dry run', () => {
  it('says how a file is read, and scores five rows in the format of the results; nothing is left', async () => {
    const before = await listed();
    const found = await client.batches.dryRun({ ...TABLE, pass_through: ['id'] }, csv, { filename: 'rows.csv' });
    expect(found).toMatchObject({
      object: 'batch.dry_run',
      ok: true,
      model: 'affine',
      version: '1',
      dataset: { bytes: csv.byteLength, format: 'csv', delimiter: ',', header: true, exact: false },
      inputs: [{ name: 'x', type: 'FP32[-1,4]', columns: ['a', 'b', 'c', 'd'], width: 4 }],
      outputs: [
        { name: 'id', type: 'BYTES' },
        { name: 'y', type: 'FP32[4]' },
      ],
      sample: { rows: 64, failed: 0 },
      errors: [],
    });
    expect(found.rows.map(({ row, values, result }) => [row, values['d'], result])).toEqual(
      [0, 1, 2, 3, 4].map((row) => [row + 1, String(row), { id: String(row), y: [3, 5, 7, 2 * row + 1] }]),
    );
    expect(await listed()).toEqual(before);
  });

  it('takes the dataset as the body, also compressed, and as a file that was uploaded', async () => {
    const query = `dry_run=true&model=affine&inputs=${encodeURIComponent('{"x":["a","b","c","d"]}')}&format=csv`;
    const sent = await stack.fetch(`/v1/batches?${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: gzipSync(csv),
    });
    const found = (await sent.json()) as BatchDryRun;
    expect([sent.status, found.dataset.compression, found.ok]).toEqual([200, 'gzip', true]);
    expect(found.rows[4]?.result).toEqual({ y: [3, 5, 7, 9] });
    const file = await client.files.create(csv, { filename: 'kept.csv' });
    const again = await client.batches.dryRun({ ...TABLE, input_file_id: file.id });
    expect(again.rows).toHaveLength(5);
    expect((await client.files.get(file.id)).bytes).toBe(csv.byteLength);
  });

  it('names bad rows, and its neighbours are scored', async () => {
    const found = await client.batches.dryRun(TABLE, Buffer.from('a,b,c,d\n1,2,3,4\n1,x,3,4\n1,2,3,nan\n0,0,0,0\n'), {
      filename: 'bad.csv',
    });
    expect(found).toMatchObject({ ok: true, dataset: { rows: 4, exact: true }, sample: { rows: 4, failed: 2 } });
    expect(found.rows.map(({ result, error }) => error?.param ?? result?.['y'])).toEqual([
      [3, 5, 7, 9],
      'b',
      'd',
      [1, 1, 1, 1],
    ]);
    expect(found.warnings.map(({ fix }) => fix?.field)).toContainEqual({ allow_non_finite: true });
  });

  it.each<[string, object, string, string, object | undefined]>([
    ['columns', { model: 'affine' }, 'p0,p1,p2,p3\n1,2,3,4\n', 'inputs.x', { inputs: { x: 'p*' } }],
    ['a header', { model: 'affine' }, '1.5,2,3,4\n', 'csv', { csv: { header: false } }],
    ['the format', { model: 'affine', format: 'parquet' }, '{"x":[1,2,3,4]}\n', 'format', { format: 'jsonl' }],
    [
      'a column to keep',
      { ...TABLE, pass_through: ['A'] },
      'a,b,c,d\n1,2,3,4\n',
      'pass_through',
      { pass_through: ['a'] },
    ],
  ])('says what to change: %s', async (_, request, content, param, field) => {
    const found = await client.batches.dryRun(request as never, Buffer.from(content), { filename: 'rows.csv' });
    expect([found.ok, found.errors.map((error) => [error.param, error.fix?.field])]).toEqual([false, [[param, field]]]);
    // The request with this change is fine.
    const mended = await client.batches.dryRun({ ...request, ...field } as never, Buffer.from(content), {
      filename: 'rows.csv',
    });
    expect(mended.errors.map((error) => error.param)).not.toContain(param === 'csv' ? 'csv' : param);
  });

  it.each<[string, string, object, number, string | null]>([
    ['an unknown model', 'true', { model: 'none', format: 'csv', input_file_id: 'file-1' }, 404, null],
    ['an unknown file', 'true', { model: 'affine', format: 'csv', input_file_id: 'file-1' }, 404, 'input_file_id'],
    ['request lines', 'true', { endpoint: '/v2/models/affine/infer', input_file_id: 'file-1' }, 400, 'dry_run'],
    ['another word', 'yes', { model: 'affine', format: 'csv', input_file_id: 'file-1' }, 400, 'dry_run'],
  ])('is refused for %s', async (_, value, request, status, param) => {
    const refused = await stack.fetch(`/v1/batches?dry_run=${value}`, json(request));
    expect([refused.status, await refused.json()]).toMatchObject([status, { error: { param } }]);
  });
});

it('numbers of another format, and missing values, are read as the request says, by the dry run and by the batch', async () => {
  const content = Buffer.from('a;b;c;d\n1,5;1.000;NA;1\n1;2;3;4\n');
  const filename = 'german.csv';
  const first = await client.batches.dryRun({ ...TABLE, csv: { delimiter: ';' } }, content, { filename });
  expect(first.warnings.map(({ fix }) => fix?.flag)).toEqual(
    expect.arrayContaining(['--missing nan', "--decimal ','"]),
  );
  const request = { ...TABLE, csv: { delimiter: ';', decimal: ',', thousands: '.' }, missing: 0 } as const;
  const expected = [{ y: [4, 2001, 1, 3] }, { y: [3, 5, 7, 9] }];
  expect((await client.batches.dryRun(request, content, { filename })).rows.map(({ result }) => result)).toEqual(
    expected,
  );
  const batch = await client.batches.score({ ...request, output_format: 'jsonl' }, content, { filename });
  expect(await client.batches.wait(batch.id)).toMatchObject({ request_counts: { completed: 2, failed: 0 } });
  const lines = await new Response(await client.batches.output(batch.id)).text();
  expect(
    lines
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual(expected);
});

it('limit scores the first rows only', async () => {
  const batch = await client.batches.score({ ...TABLE, limit: 7 }, csv, { filename: 'rows.csv' });
  expect(await client.batches.wait(batch.id)).toMatchObject({
    status: 'completed',
    progress: 1,
    request_counts: { total: 7, completed: 7, failed: 0 },
  });
});
