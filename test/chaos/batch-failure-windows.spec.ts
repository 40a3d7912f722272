import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import { eventually } from '@sconce/testing';
import { DIGITS_TABLE, bytesOf, digitRows, scoreAll, sha256 } from '../support/rows.ts';
import { startStack, type Stack } from '../support/stack.ts';

// A worker that dies at certain points could lose a chunk or count it twice. Here a worker kills itself at each of them.

const DIGITS = fileURLToPath(new URL('../../examples/digits/digits.onnx', import.meta.url));
const DIE_AT = fileURLToPath(new URL('../support/die-at.mjs', import.meta.url));
const ROWS = 20_000;

let stack: Stack;
let client: SconceClient;
let expected: string;
const dataset = digitRows(ROWS);

beforeAll(async () => {
  stack = await startStack({ workers: 1 });
  await Promise.all([stack.pushFile(DIGITS, 'digits'), stack.push('slow')]);
  client = new SconceClient({ url: stack.url });
  const { id } = await scoreAll(stack.url, DIGITS_TABLE, dataset);
  expected = sha256(await bytesOf(await client.batches.output(id)));
  await stack.workers.pop()?.stop();
});

describe('a batch is complete and correct when its worker dies', () => {
  it.each([
    ['after the dataset was validated, before chunks are planned', 'enter:after'],
    ['after chunks were recorded, before their jobs are queued', 'plan:after'],
    ['after a chunk was started', 'beginChunk:after'],
    ['after results were written, before they are counted', 'commitChunk:before'],
    ['after results were counted, before the job is acknowledged', 'commitChunk:after'],
    ['after the files were made, before the batch has ended', 'finish:before'],
  ])('%s', async (_, point) => {
    const dying = await stack.startWorker({ DIE_AT: point }, ['--import', DIE_AT]);
    const { id } = await client.batches.score(DIGITS_TABLE, dataset, { filename: 'rows.csv' });
    expect(await dying.exited).toBe(null);
    stack.workers.splice(stack.workers.indexOf(dying), 1);
    const replacement = await stack.startWorker();
    const batch = await client.batches.wait(id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: ROWS, completed: ROWS, failed: 0 } });
    expect(sha256(await bytesOf(await client.batches.output(id)))).toBe(expected);
    expect(await replacement.stop()).toBe(0);
  });
});

describe('a paused worker whose chunk another worker took over', () => {
  it('does not change the results when it continues', async () => {
    // It is paused in the middle of a chunk: each row takes some seconds.
    const paused = await stack.startWorker();
    const rows = new Uint8Array(Buffer.from(`steps\n${Array.from({ length: 4 }, () => '12000\n').join('')}`));
    const { id } = await client.batches.score({ model: 'slow', output_format: 'csv' }, rows, { filename: 'rows.csv' });
    await eventually(
      async () => {
        const metrics = await (await fetch(`${paused.ready.metricsUrl}/metrics`)).text();
        expect(metrics).toMatch(/sconce_jobs_in_flight\{[^}]*batch[^}]*\} [1-9]/);
      },
      { timeoutMs: 20_000 },
    );
    paused.child.kill('SIGSTOP');
    const replacement = await stack.startWorker();
    const batch = await client.batches.wait(id);
    const before = await bytesOf(await client.batches.output(id));
    paused.child.kill('SIGCONT');
    // It finishes its chunk, its result is refused, and it takes the next batch like any worker.
    expect(await replacement.stop()).toBe(0);
    const next = await scoreAll(stack.url, DIGITS_TABLE, dataset);
    expect(sha256(await bytesOf(await client.batches.output(next.id)))).toBe(expected);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 4, completed: 4, failed: 0 } });
    expect((await client.batches.get(id)).request_counts).toEqual({ total: 4, completed: 4, failed: 0 });
    expect(before.toString().split('\n').length).toBe(6);
    expect((await bytesOf(await client.batches.output(id))).equals(before)).toBe(true);
  });
});
