import { fileURLToPath } from 'node:url';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import OpenAI, { toFile } from 'openai';
import { beforeAll, describe, expect, it } from 'vitest';
import { atEndOfFile, eventually } from '@sconce/testing';
import { startStack, type Stack } from '../support/stack.ts';

// OpenAI's SDK is the client: files, batches, results, errors, cancel, lists.

let stack: Stack;
let openai: OpenAI;
/** The SDK's types know only the endpoints of OpenAI. */
const endpoint = '/v2/models/affine/infer' as never;

beforeAll(async () => {
  stack = await startStack({ env: { SCONCE_WEBHOOK_ALLOW_PRIVATE: 'true' } });
  await stack.push('affine');
  openai = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: 'none' });
});

const line = (id: string, rows: readonly (readonly number[])[], extra: object = {}): string =>
  JSON.stringify({
    custom_id: id,
    method: 'POST',
    url: endpoint,
    body: { inputs: [{ name: 'x', datatype: 'FP32', shape: [rows.length, 4], data: rows.flat() }] },
    ...extra,
  });

async function upload(lines: readonly string[]): Promise<string> {
  const file = await toFile(Buffer.from(`${lines.join('\n')}\n`), 'requests.jsonl');
  return (await openai.files.create({ file, purpose: 'batch' })).id;
}

async function ended(id: string): Promise<OpenAI.Batch> {
  return eventually(
    async () => {
      const batch = await openai.batches.retrieve(id);
      expect(['completed', 'failed', 'cancelled', 'expired']).toContain(batch.status);
      return batch;
    },
    { timeoutMs: 30_000 },
  );
}

async function contentOf(fileId: string | undefined): Promise<Record<string, unknown>[]> {
  const text = await (await openai.files.content(fileId ?? '')).text();
  return text
    .split('\n')
    .filter((each) => each !== '')
    .map((each) => JSON.parse(each) as Record<string, unknown>);
}

describe('the OpenAI SDK', () => {
  it('creates a file and a batch, polls it, and fetches results in the order of the requests, and the errors', async () => {
    const lines = Array.from({ length: 100 }, (_, row) => line(`r${row}`, [[row, 0, 0, 0]]));
    lines[40] = line('two rows', [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
    lines[50] = line('wrong shape', [[1, 2, 3, 4]], {
      body: { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] }] },
    });
    lines[60] = line('other url', [[1, 2, 3, 4]], { url: '/v2/models/other/infer' });
    const input = await upload(lines);
    const created = await openai.batches.create({
      input_file_id: input,
      endpoint,
      completion_window: '24h',
      metadata: { order: '17' },
    });
    expect(created).toMatchObject({ object: 'batch', endpoint, input_file_id: input, metadata: { order: '17' } });
    const batch = await ended(created.id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 100, completed: 98, failed: 2 } });
    for (const name of ['created_at', 'in_progress_at', 'finalizing_at', 'completed_at', 'expires_at'] as const) {
      expect(batch[name], name).toBeGreaterThan(1_700_000_000);
    }
    const answers = await contentOf(batch.output_file_id);
    const ids = lines.map((each) => (JSON.parse(each) as { custom_id: string }).custom_id);
    const failed = ['wrong shape', 'other url'];
    expect(answers.map(({ custom_id: id }) => id)).toEqual(ids.filter((id) => !failed.includes(id)));
    expect(answers[3]).toEqual({
      id: expect.stringMatching(/^batch_req_/),
      custom_id: 'r3',
      error: null,
      response: {
        status_code: 200,
        request_id: expect.any(String),
        body: {
          model_name: 'affine',
          model_version: '1',
          outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 4], data: [7, 1, 1, 1] }],
        },
      },
    });
    expect(answers.find(({ custom_id: id }) => id === 'two rows')).toMatchObject({
      response: { body: { outputs: [{ shape: [2, 4], data: [3, 5, 7, 9, 11, 13, 15, 17] }] } },
    });
    const errors = await contentOf(batch.error_file_id);
    expect(errors.map(({ custom_id: id }) => id)).toEqual(failed);
    expect(errors[0]).toMatchObject({
      response: {
        status_code: 400,
        body: { error: { type: 'invalid_request_error', code: 'invalid_tensor', param: 'x' } },
      },
    });
  });

  it.each([
    [
      'a custom_id that comes twice',
      [line('a', [[1, 2, 3, 4]]), line('b', [[1, 2, 3, 4]]), line('a', [[1, 2, 3, 4]])],
      { code: 'duplicate_custom_id', line: 3, param: 'custom_id' },
    ],
    ['a line that is not JSON', [line('a', [[1, 2, 3, 4]]), '{"custom_id": '], { code: 'invalid_json_line', line: 2 }],
    [
      'a line that is not JSON, after blank lines',
      ['', line('a', [[1, 2, 3, 4]]), '', '', '{'],
      { code: 'invalid_json_line', line: 5 },
    ],
    ['no custom_id', ['{"method": "POST"}'], { code: 'missing_custom_id', line: 1 }],
    ['an empty file', [''], { code: 'empty_file' }],
  ])('is told of %s before anything is run', async (_, lines, error) => {
    const { id } = await openai.batches.create({
      input_file_id: await upload(lines),
      endpoint,
      completion_window: '24h',
    });
    const batch = await ended(id);
    expect(batch.status).toBe('failed');
    expect(batch.errors?.data?.[0]).toMatchObject(error);
    expect(batch.request_counts).toEqual({ total: 0, completed: 0, failed: 0 });
  });

  it('gets different errors for different mistakes', async () => {
    await expect(openai.batches.retrieve('batch_0')).rejects.toMatchObject({ status: 404, code: 'batch_not_found' });
    await expect(openai.files.retrieve('file-0')).rejects.toMatchObject({ status: 404, code: 'file_not_found' });
    const input = await upload([line('a', [[1, 2, 3, 4]])]);
    const unknown = '/v2/models/none/infer' as never;
    const wrong = openai.batches.create({ input_file_id: input, endpoint: unknown, completion_window: '24h' });
    await expect(wrong).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
    const form = new FormData();
    form.set('file', new Blob(['x']), 'x');
    form.set('purpose', 'fine-tune');
    const refused = await stack.fetch('/v1/files', { method: 'POST', body: form });
    expect([refused.status, await refused.json()]).toMatchObject([400, { error: { param: 'purpose' } }]);
  });

  it('cancels batches, lists them page by page, and removes files', async () => {
    const input = await upload(Array.from({ length: 5 }, (_, row) => line(`r${row}`, [[row, 0, 0, 0]])));
    const made: string[] = [];
    for (let count = 0; count < 5; count++) {
      made.push((await openai.batches.create({ input_file_id: input, endpoint, completion_window: '24h' })).id);
    }
    const cancelled = await openai.batches.cancel(made[0]!);
    expect(['cancelling', 'completed', 'finalizing']).toContain(cancelled.status);
    const listed: string[] = [];
    for await (const batch of openai.batches.list({ limit: 2 })) listed.push(batch.id);
    expect(listed.slice(0, 5)).toEqual(made.toReversed());
    const files: string[] = [];
    for await (const file of openai.files.list({ limit: 3, purpose: 'batch' })) files.push(file.id);
    expect(files).toContain(input);
    expect(await openai.files.delete(input)).toEqual({ id: input, object: 'file', deleted: true });
    await expect(openai.files.retrieve(input)).rejects.toMatchObject({ status: 404 });
  });

  it('lists the models, and gives each of them by its id', async () => {
    await stack.push('affine', { name: 'two' });
    await stack.push('affine', { name: 'two', version: '2' });
    const listed: string[] = [];
    for await (const model of openai.models.list()) {
      expect(model).toMatchObject({ object: 'model', owned_by: 'sconce' });
      expect(Math.abs(Date.now() / 1_000 - model.created)).toBeLessThan(600);
      listed.push(model.id);
      expect(await openai.models.retrieve(model.id)).toMatchObject({
        id: model.id,
        object: 'model',
        created: model.created,
      });
    }
    expect(listed).toEqual(expect.arrayContaining(['affine', 'two:1', 'two']));
    await expect(openai.models.retrieve('two:3')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
    await expect(openai.models.delete('two')).rejects.toMatchObject({ status: 405 });
  });

  it('receives a webhook at the end of a batch, and can verify it', async () => {
    const received = Promise.withResolvers<{ headers: Record<string, string>; body: string }>();
    const receiver = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        received.resolve({
          headers: request.headers as Record<string, string>,
          body: Buffer.concat(chunks).toString(),
        });
        response.writeHead(204).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    atEndOfFile(() => void receiver.close());
    const secret = `whsec_${Buffer.from('a secret of this test').toString('base64')}`;
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
    const created = await openai.batches.create({
      input_file_id: await upload([line('a', [[1, 2, 3, 4]])]),
      endpoint,
      completion_window: '24h',
      webhook: { url, secret },
    } as never);
    const { headers, body } = await received.promise;
    const event = await openai.webhooks.unwrap(body, headers, secret);
    expect(event).toMatchObject({ type: 'batch.completed', object: 'event', data: { id: created.id } });
    expect(headers['webhook-id']).toBe((event as { id: string }).id);
    await expect(openai.webhooks.unwrap(`${body} `, headers, secret)).rejects.toThrow(/signature/i);
  });

  it('gets every file back unchanged', async () => {
    const bytes = readFileSync(fileURLToPath(import.meta.url));
    const { id } = await openai.files.create({ file: await toFile(bytes, 'a "b" ü.txt'), purpose: 'batch' });
    expect(Buffer.from(await (await openai.files.content(id)).arrayBuffer()).equals(bytes)).toBe(true);
    expect(await openai.files.retrieve(id)).toMatchObject({
      filename: 'a "b" ü.txt',
      bytes: bytes.byteLength,
      purpose: 'batch',
    });
  });
});
