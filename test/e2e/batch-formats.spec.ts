import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Batch } from '@sconce/client';
import { temporaryFolder } from '@sconce/testing';
import { AFFINE_TABLE, batchScorer, type BatchScorer } from '../support/batch-scorer.ts';
import { DIGITS_TABLE, bytesOf, digitRows } from '../support/rows.ts';
import { startStack, type Stack } from '../support/stack.ts';

// Datasets in all formats, sent by the SDK, by plain HTTP, or read from an allowed folder.

const DIGITS = fileURLToPath(new URL('../../examples/digits/digits.onnx', import.meta.url));

let stack: Stack;
let scorer: BatchScorer;
let allowed: string;

beforeAll(async () => {
  allowed = temporaryFolder('datasets');
  stack = await startStack({ env: { SCONCE_DATASET_ROOTS: allowed } });
  await Promise.all([
    ...(['affine', 'every-type'] as const).map((model) => stack.push(model)),
    stack.pushFile(DIGITS, 'digits'),
  ]);
  scorer = batchScorer(stack.url);
});

describe('a table', () => {
  it('is scored in order, with the columns asked for', async () => {
    const batch = await scorer.score(
      {
        ...AFFINE_TABLE,
        outputs: [{ from: 'y' }, { name: 'best', transform: 'argmax' }, { name: 'top', transform: 'top_k', k: 2 }],
      },
      'id,a,b,c,d\nfirst,1,2,3,4\n"second, with a ""quote""",4,3,2,1\n',
    );
    expect(batch).toMatchObject({
      status: 'completed',
      progress: 1,
      request_counts: { total: 2, completed: 2, failed: 0 },
    });
    expect(await scorer.outputOf(batch)).toBe(
      'id,y_0,y_1,y_2,y_3,best,top_0,top_1,top_values_0,top_values_1\n' +
        'first,3,5,7,9,3,3,2,9,7\n"second, with a ""quote""",9,7,5,3,0,0,1,9,7\n',
    );
  });

  it('can be JSONL with lists', async () => {
    const rows = '{"id": 1, "x": [1, 2, 3, 4]}\n\n{"id": "b", "x": [5, 6, 7, 8], "more": true}\n';
    const batch = await scorer.score({ model: 'affine', pass_through: ['id', 'more'] }, rows, 'rows.jsonl');
    expect(await scorer.outputOf(batch)).toBe(
      '{"id":1,"more":null,"y":[3,5,7,9]}\n{"id":"b","more":true,"y":[11,13,15,17]}\n',
    );
  });

  it.each(['parquet', 'arrow', 'npy'] as const)(
    'is written as %s, and that file can be scored again',
    async (format) => {
      const made = await scorer.score(
        { ...DIGITS_TABLE, output_format: format, pass_through: format === 'npy' ? [] : ['id'] },
        digitRows(1_000),
      );
      expect(made).toMatchObject({ status: 'completed' });
      const file = new Uint8Array(await bytesOf(await scorer.client.batches.output(made.id)));
      const column = format === 'npy' ? 'data' : made.output_format === 'arrow' ? 'logits' : 'logits';
      const passThrough = format === 'npy' ? {} : { pass_through: ['id'] };
      // The model takes 4 values, so it refuses the lists of 10. Its error shows that they were read.
      const again = await scorer.score(
        { model: 'affine', inputs: { x: column }, output_format: 'jsonl', ...passThrough },
        file,
        `made.${format}`,
      );
      const errors = await scorer.errorsOf(again);
      expect(again).toMatchObject({ status: 'failed', errors: { data: [{ code: 'invalid_dataset' }] } });
      expect(again.request_counts).toEqual({ total: 1_000, completed: 0, failed: 1_000 });
      expect(errors[999]).toMatchObject({
        row: 1_000,
        error: { message: expect.stringMatching(/a list of 10; expected shape \[4\]/) },
      });
    },
  );

  it('can have every datatype', async () => {
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
    const batch = await scorer.score({ model: 'every-type' }, `{${row}}\n`, 'rows.jsonl');
    expect(await scorer.errorsOf(batch)).toEqual([]);
    expect(await scorer.outputOf(batch)).toBe(`{${row.replaceAll('in_', 'out_')}}\n`);
  });

  it('can be compressed', async () => {
    const batch = await scorer.score(DIGITS_TABLE, new Uint8Array(gzipSync(digitRows(3_000))), 'rows.csv.gz');
    expect(batch.request_counts).toEqual({ total: 3_000, completed: 3_000, failed: 0 });
  });
});

describe('a dataset in a folder that the operator allows', () => {
  it('is read in place; files outside of the folder are refused', async () => {
    const inside = join(allowed, 'rows.csv');
    const outside = join(temporaryFolder('elsewhere'), 'rows.csv');
    for (const path of [inside, outside]) writeFileSync(path, 'id,a,b,c,d\n1,1,2,3,4\n');
    mkdirSync(join(allowed, 'sub'));
    symlinkSync(outside, join(allowed, 'sub', 'link.csv'));
    const submit = async (path: string): Promise<Batch> => {
      const { id } = await scorer.client.batches.create({ ...AFFINE_TABLE, input_url: pathToFileURL(path).href });
      return scorer.client.batches.wait(id);
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

describe('plain HTTP', () => {
  it('accepts the dataset as body and the request as query', async () => {
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
    const batch = await scorer.client.batches.wait(id);
    expect(await scorer.outputOf(batch)).toBe('{"id":"1","y":[3,5,7,9]}\n');
    const content = await stack.fetch(`/v1/files/${batch.output_file_id}/content`);
    expect(content.headers.get('content-type')).toBe('application/jsonl');
    expect(content.headers.get('content-length')).toBe('25');
  });
});
