import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { MemoryByteSource } from '@sconce/storage';
import { bytesElements, viewOf, type Tensor, type TensorSpec } from '@sconce/tensor';
import type { DatasetPreview } from './dataset-preview.ts';
import { previewDataset } from './preview-dataset.ts';
import { previewedTable, type TableFields } from './previewed-table.ts';

const X = { name: 'x', datatype: 'FP32', shape: [-1, 2] } as const satisfies TensorSpec;
const Y = { name: 'y', datatype: 'FP32', shape: [-1, 2] } as const satisfies TensorSpec;

interface Asked extends TableFields {
  readonly format?: 'csv' | 'jsonl' | 'parquet' | 'npy';
  readonly file?: string;
  readonly model?: readonly TensorSpec[];
  readonly run?: ((inputs: readonly Tensor[], rows: number) => Promise<readonly Tensor[]>) | undefined;
}

/** Doubles `x`. A row whose first element is 13 fails. */
async function double([x]: readonly Tensor[]): Promise<readonly Tensor[]> {
  if (x === undefined) throw new Error('no input');
  const values = viewOf({ ...x, datatype: 'FP32' });
  if (values.some((value, at) => value === 13 && at % 2 === 0)) throw new SconceError('inference_failed', 'thirteen');
  return [{ ...x, name: 'y', data: new Uint8Array(values.map((value) => value * 2).buffer) }];
}

async function preview(content: string | Uint8Array, asked: Asked = {}): Promise<DatasetPreview> {
  const { format = 'csv', file = `rows.${format}`, model = [X], run = double, ...fields } = asked;
  const source = new MemoryByteSource(typeof content === 'string' ? Buffer.from(content) : content);
  return previewDataset(source, {
    table: previewedTable(fields, { format, file }),
    model: { signature: { inputs: model, outputs: [Y] }, rowInputs: new Set(model.map(({ name }) => name)) },
    run: Object.hasOwn(asked, 'run') ? asked.run : run,
  });
}

const lines = (rows: number, line: (row: number) => string): string =>
  Array.from({ length: rows }, (_, row) => `${line(row)}\n`).join('');
const TABLE = `id,a,b\n${lines(3, (row) => `${row},${row},7`)}`;
const AB = { inputs: { x: ['a', 'b'] } };

describe('a preview', () => {
  it('says what the file is, where inputs come from, and what the first rows give', async () => {
    const found = await preview(TABLE, { ...AB, pass_through: ['id'] });
    expect(found).toMatchObject({
      ok: true,
      dataset: {
        bytes: 25,
        format: 'csv',
        compression: null,
        encoding: 'utf-8',
        delimiter: ',',
        header: true,
        rows: 3,
        exact: true,
      },
      columns: [
        { name: 'id', type: 'integer', inputs: [], kept: true },
        { name: 'a', type: 'integer', inputs: ['x'], kept: false },
        { name: 'b', type: 'integer', inputs: ['x'], kept: false },
      ],
      width: 3,
      inputs: [{ name: 'x', type: 'FP32[-1,2]', columns: ['a', 'b'] }],
      outputs: [
        { name: 'id', type: 'BYTES' },
        { name: 'y', type: 'FP32[2]' },
      ],
      sample: { rows: 3, failed: 0 },
      errors: [],
      warnings: [],
      estimate: { seconds: expect.any(Number) },
    });
    expect(found.rows.map(({ row, values, result }) => [row, Object.keys(values), result])).toEqual([
      [1, ['id', 'a', 'b'], { id: '0', y: [0, 14] }],
      [2, ['id', 'a', 'b'], { id: '1', y: [2, 14] }],
      [3, ['id', 'a', 'b'], { id: '2', y: [4, 14] }],
    ]);
  });

  it('names bad rows, of the columns and of the run, and scores their neighbours', async () => {
    const found = await preview('a,b\n1,oops\n13,1\n3,3\n4,nan\n', AB);
    expect(found).toMatchObject({ ok: true, sample: { rows: 4, failed: 3 } });
    expect(found.rows.map(({ result, error }) => result?.['y'] ?? error?.code)).toEqual([
      'invalid_row',
      'inference_failed',
      [6, 6],
      'invalid_row',
    ]);
    expect(found.warnings).toMatchObject([
      { message: expect.stringMatching(/^3 of the first 4 rows fail. The first is row 1: .*oops/) },
      { code: 'non_finite', fix: { flag: '--allow-nan', field: { allow_non_finite: true } } },
    ]);
    expect(await preview('a,b\n4,nan\n', { ...AB, allow_non_finite: true })).toMatchObject({ ok: true, warnings: [] });
  });

  it('is not well when every row fails', async () => {
    expect(await preview('a,b\nx,1\ny,2\n', AB)).toMatchObject({ ok: false, errors: [], sample: { failed: 2 } });
  });

  it('throws what is not the fault of rows', async () => {
    const run = (): Promise<never> => Promise.reject(new SconceError('queue_full', 'full'));
    await expect(preview(TABLE, { ...AB, run })).rejects.toMatchObject({ code: 'queue_full' });
  });

  it('scores nothing without runs, and still finds rows that cannot be read', async () => {
    const found = await preview('a,b\n1,oops\n2,2\n', { ...AB, run: undefined });
    expect(found).toMatchObject({ ok: true, sample: { rows: 2, failed: 1 }, estimate: null });
    expect(found.rows[1]).not.toHaveProperty('result');
  });

  it('estimates the number of rows of a large file, and reads only its beginning', async () => {
    const large = `a,b\n${lines(300_000, (row) => `${row % 10},7`)}`;
    for (const [content, compression] of [
      [Buffer.from(large), null],
      [gzipSync(large), 'gzip'],
      [zstdCompressSync(large), 'zstd'],
    ] as const) {
      const { dataset, sample } = await preview(content, AB);
      expect({ ...dataset, sample }).toMatchObject({ compression, exact: false, sample: { rows: 64 } });
      expect(dataset.rows).toBeGreaterThan(250_000);
      expect(dataset.rows).toBeLessThan(350_000);
    }
  });

  it.each<[string, string | Uint8Array, Asked, object]>([
    ['UTF-16', Buffer.from(`\ufeff${TABLE}`, 'utf16le'), {}, { encoding: 'utf-16le', rows: 3 }],
    ['a name of an encoding', Buffer.from(TABLE, 'latin1'), { encoding: 'latin1' }, { encoding: 'windows-1252' }],
    ['tabs by the name', TABLE.replaceAll(',', '\t'), { file: 'rows.tsv' }, { delimiter: '\t', rows: 3 }],
    ['no header', '1,2\n3,4\n', { csv: { header: false }, inputs: { x: ['0', '1'] } }, { header: false, rows: 2 }],
    ['gzip', gzipSync(TABLE), {}, { compression: 'gzip', rows: 3, exact: true }],
    ['a JSON array with lines', '[\n{"a":1,"b":2},\n{"a":3,"b":4}\n]\n', { format: 'jsonl' }, { rows: 2, exact: true }],
    ['JSON lines with blank ones', '{"a":1,"b":2}\n \t\r\n\n{"a":3,"b":4}\n  ', { format: 'jsonl' }, { rows: 2 }],
    ['a JSON array', '[{"a":1,"b":2},{"a":3,"b":4}]', { format: 'jsonl' }, { format: 'jsonl', rows: 2, exact: true }],
    ['pretty JSON', '{\n "a": 1,\n "b": 2\n}\n', { format: 'jsonl' }, { rows: 1, delimiter: null, header: null }],
  ])('reads as a batch does: %s', async (_, content, asked, dataset) => {
    const found = await preview(content, { ...AB, ...asked });
    expect([found.ok, found.errors]).toEqual([true, []]);
    expect(found.dataset).toMatchObject(dataset);
  });
});

describe('what does not fit comes with what to change', () => {
  it.each<[string, string, Asked, string | undefined, object]>([
    ['another case', 'X_0,X_1\n1,2\n', {}, "--input 'x=X_*'", { inputs: { x: 'X_*' } }],
    ['a name with a space', 'X ,n\n"[1,2]",0\n', {}, '--input x=X', { inputs: { x: 'X' } }],
    ['numbered columns', 'id,p1,p2\n0,1,2\n', {}, "--input 'x=p*'", { inputs: { x: 'p*' } }],
    ['as many numbers as it takes', 'id,a,b,name\n0,1,2,n\n', {}, '--input x=a,b', { inputs: { x: ['a', 'b'] } }],
    ['the only field', '{"data":[1,2]}', { format: 'jsonl' }, '--input x=data', { inputs: { x: 'data' } }],
    ['nothing that is likely', 'a,b,c\n1,2,3\n', {}, undefined, {}],
    ['an unquoted word', "it's,b\n1,2\n", {}, "--input 'x=it'\\''s,b'", { inputs: { x: ["it's", 'b'] } }],
  ])('columns: %s', async (_, content, asked, flag, field) => {
    const found = await preview(content, asked);
    expect([found.ok, found.errors.length]).toEqual([false, 1]);
    expect(found.errors[0]?.param).toBe('inputs.x');
    expect(found.errors[0]?.fix).toEqual(flag === undefined ? undefined : { flag, field });
    expect(found.inputs[0]?.problem).toEqual(found.errors[0]);
    expect(found.rows.length).toBe(1);
    // The advice works.
    if (flag !== undefined) expect((await preview(content, { ...asked, ...field })).errors).toEqual([]);
  });

  it('reports every input without columns, not only the first', async () => {
    const model = [X, { ...X, name: 'z' }];
    const found = await preview('x,q0,q1\n"[1,2]",1,2\n', { model });
    expect(found.inputs.map(({ problem }) => problem?.fix?.flag)).toEqual([undefined, "--input 'z=q*'"]);
    const none = await preview('u,v,w\n1,2,3\n', { model });
    expect(none.errors.map(({ param }) => param)).toEqual(['inputs.x', 'inputs.z']);
  });

  it.each<[string, string | Uint8Array, Asked, RegExp, string | undefined]>([
    ['numbers as a header', '1.5,2\n3,4\n', {}, /All names in the first line are numbers/, '--no-header'],
    ['a header of another encoding', Buffer.from('é,b\n1,2\n', 'latin1'), {}, /UTF-8/, '--encoding windows-1252'],
    ['a CSV file that is named Parquet', TABLE, { format: 'parquet' }, /is csv/, '--format csv'],
    ['JSON that is named NPY', '{"a":1}', { format: 'npy' }, /is jsonl/, '--format jsonl'],
    ['an empty file', '', {}, /is empty/, undefined],
    ['gzip that is cut off', gzipSync(TABLE).subarray(0, 20), {}, /cannot be unpacked: it is truncated/, undefined],
    ['bzip2', Buffer.from('BZh91AY'), {}, /bzip2, which is not supported/, undefined],
    ['an unknown encoding', TABLE, { encoding: 'martian' }, /"martian" is not known/, '--encoding windows-1252'],
  ])('the file: %s', async (_, content, asked, message, flag) => {
    const found = await preview(content, asked);
    expect(found).toMatchObject({ ok: false, dataset: { rows: null }, columns: [], rows: [], estimate: null });
    expect(found.errors.map((error) => [error.message, error.fix?.flag])).toEqual([
      [expect.stringMatching(message), flag],
    ]);
  });

  it.each<[string, string | Uint8Array, Asked, string | undefined]>([
    ['semicolons', 'a;b\n1;2\n', {}, "--delimiter ';'"],
    ['tabs', 'a\tb\n1\t2\n', {}, "--delimiter $'\\t'"],
    ['text of another encoding', Buffer.from('a,b,n\n1,2,é\n', 'latin1'), AB, '--encoding windows-1252'],
    ['no rows', 'a,b\n', AB, undefined],
  ])('what is likely meant otherwise: %s', async (_, content, asked, flag) => {
    const { warnings } = await preview(content, asked);
    expect(warnings[0]?.fix?.flag).toBe(flag);
    expect(warnings.length).toBeGreaterThan(0);
  });

  it('text of another encoding in a column that the batch does not read costs no row', async () => {
    const content = Buffer.from('a,b,n\n1,2,é\n', 'latin1');
    expect(await preview(content, AB)).toMatchObject({ ok: true, sample: { failed: 0 } });
    expect(await preview(content, { ...AB, pass_through: ['n'] })).toMatchObject({ ok: false, sample: { failed: 1 } });
  });

  it.each<[string, Asked, string, string | undefined]>([
    ['a column to keep', { ...AB, pass_through: ['ID'] }, 'pass_through', '--keep id'],
    ['an output', { ...AB, outputs: [{ from: 'logits' }] }, 'outputs[0]', undefined],
    ['an input', { inputs: { ...AB.inputs, q: 'a' } }, 'inputs.q', undefined],
    ['a constant', { inputs: { x: { value: [1, 2, 3] } } }, 'inputs.x', undefined],
  ])('names that are wrong: %s', async (_, asked, param, flag) => {
    const found = await preview(TABLE, asked);
    expect([found.ok, found.errors.map((error) => [error.param, error.fix?.flag])]).toEqual([false, [[param, flag]]]);
  });

  it('a format of results that cannot hold the columns', async () => {
    const found = await preview(TABLE, { ...AB, pass_through: ['id'], output_format: 'npy' });
    expect(found).toMatchObject({ ok: false, errors: [{ code: 'invalid_dataset' }] });
  });
});

it('long values are cut, and a wide file is described in part', async () => {
  const wide = Array.from({ length: 500 }, (_, column) => `c${column}`);
  const text = `a,b,long,${wide.join(',')}\n1,2,${'z'.repeat(5_000)},${wide.map(() => 0).join(',')}\n`;
  const found = await preview(text, AB);
  expect([found.width, found.columns.length]).toEqual([503, 200]);
  expect(JSON.stringify(found.rows).length).toBeLessThan(2_000);
});

it('a nested field of JSON may be an input, and may be kept', async () => {
  const found = await preview('{"user":{"id":7,"xs":[[1,2]]}}\n', {
    format: 'jsonl',
    inputs: { x: 'user.xs[0]' },
    pass_through: ['user.id'],
  });
  expect(found).toMatchObject({ ok: true, rows: [{ result: { 'user.id': 7, y: [2, 4] } }] });
});

it('text inputs are columns too', async () => {
  const model = [{ name: 't', datatype: 'BYTES', shape: [-1] }] as const;
  const seen: string[] = [];
  const run = async ([t]: readonly Tensor[], rows: number): Promise<readonly Tensor[]> => {
    if (t !== undefined) seen.push(...Array.from(bytesElements(t), (element) => Buffer.from(element).toString()));
    return [{ ...Y, shape: [rows, 2], data: new Uint8Array(8 * rows) }];
  };
  expect(await preview('text\nyes\nno\n', { model, run })).toMatchObject({ ok: true, columns: [{ type: 'text' }] });
  expect(seen).toEqual(['yes', 'no']);
});
