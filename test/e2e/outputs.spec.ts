import { beforeAll, expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import { eventually } from '@sconce/testing';
import { json, startStack, type Stack } from '../support/stack.ts';

// Requests of a few bytes whose outputs are large, with an output budget of 4 MiB.

const MIB = 1024 ** 2;
const LIMIT = 4 * MIB;
const SETTING = 'SCONCE_MAX_OUTPUT_BYTES';

let stack: Stack;

/** Inputs of a request whose output has so many bytes. */
const inputsFor = (bytes: number): object[] => [{ name: 'count', datatype: 'INT64', shape: [1], data: [bytes / 4] }];
const expand = (bytes: number): object => ({
  inputs: inputsFor(bytes),
  outputs: [{ name: 'y', parameters: { binary_data: true } }],
});
/** A request whose output has 256 KiB for each row. */
const wide = (rows: number): object => ({
  inputs: [{ name: 'x', datatype: 'FP32', shape: [rows, 1], data: Array.from({ length: rows }, (_, row) => row) }],
  outputs: [{ name: 'y', parameters: { binary_data: true } }],
});
const infer = (model: string, body: object): Promise<Response> => stack.fetch(`/v2/models/${model}/infer`, json(body));

beforeAll(async () => {
  stack = await startStack({ env: { SCONCE_MAX_OUTPUT_BYTES: String(LIMIT) } });
  await Promise.all([stack.push('expand'), stack.push('wide')]);
});

it.each([
  ['the thread sees their size', 'expand', expand(400 * MIB), expand(LIMIT), 400 * MIB],
  ['the signature says their size', 'wide', wide(17), wide(16), 17 * 256 * 1024],
])('refuses outputs over the budget when %s', async (_, model, tooLarge, allowed, bytes) => {
  const refused = await infer(model, tooLarge);
  expect([refused.status, await refused.json()]).toMatchObject([
    422,
    { error: expect.stringMatching(`output_bytes: its outputs take ${bytes} bytes .* are ${LIMIT}.* ${SETTING}`) },
  ]);
  const answered = await infer(model, allowed);
  expect([answered.status, (await answered.arrayBuffer()).byteLength > LIMIT]).toEqual([200, true]);
});

it('fails a job whose outputs are over the budget', async () => {
  const job = (await (await stack.fetch('/v1/jobs', json({ model: 'expand', ...expand(5 * MIB) }))).json()) as {
    id: string;
  };
  await eventually(async () => {
    const { status, error } = (await (await stack.fetch(`/v1/jobs/${job.id}`)).json()) as Record<string, unknown>;
    expect([status, error]).toMatchObject(['failed', { code: 'over_budget' }]);
  });
  expect((await stack.fetch(`/v1/jobs/${job.id}/result`)).status).toBe(422);
});

it('puts a row of a batch whose outputs are over the budget into the error file', async () => {
  const { batches, files } = new SconceClient({ url: stack.url });
  const line = (id: string, bytes: number): string =>
    JSON.stringify({
      custom_id: id,
      method: 'POST',
      url: '/v2/models/expand/infer',
      body: { inputs: inputsFor(bytes) },
    });
  const input = await files.create(Buffer.from(`${line('small', 40)}\n${line('large', 100 * MIB)}\n`), {
    filename: 'rows.jsonl',
  });
  const { id } = await batches.create({ input_file_id: input.id, endpoint: '/v2/models/expand/infer' });
  await eventually(async () => expect((await batches.get(id)).status).toBe('completed'), { timeoutMs: 20_000 });
  expect((await batches.get(id)).request_counts).toEqual({ total: 2, completed: 1, failed: 1 });
  expect(await (await stack.fetch(`/v1/batches/${id}/errors`)).text()).toMatch(/"large".*output_bytes.*"over_budget"/);
});

it('no process ended meanwhile', async () => {
  const [worker] = stack.workers;
  expect([worker?.child.exitCode, stack.api.child.exitCode]).toEqual([null, null]);
  expect((await stack.fetch('/v2/health/ready')).status).toBe(200);
});
