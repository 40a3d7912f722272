import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import { eventually } from '@sconce/testing';
import { DIGITS_TABLE, bytesOf, digitRows, scoreAll, sha256 } from '../support/rows.ts';
import { startStack, type Stack } from '../support/stack.ts';

// The windows in which a worker's death could lose a chunk or count it twice, each forced: the worker kills itself at that very point.

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

describe('a worker that dies', () => {
  it.each([
    ['once the dataset was validated, before anything was planned', 'enter:after'],
    ['once chunks were noted, before their jobs were queued', 'plan:after'],
    ['once a chunk was begun', 'beginChunk:after'],
    ['once results were written, before they were counted', 'commitChunk:before'],
    ['once results were counted, before the job was acknowledged', 'commitChunk:after'],
    ['once the files were made, before the batch had ended', 'finish:before'],
  ])('%s', async (_, point) => {
    const doomed = await stack.startWorker({ DIE_AT: point }, ['--import', DIE_AT]);
    const { id } = await client.batches.score(DIGITS_TABLE, dataset, { filename: 'rows.csv' });
    expect(await doomed.exited).toBe(null);
    stack.workers.splice(stack.workers.indexOf(doomed), 1);
    const heir = await stack.startWorker();
    const batch = await client.batches.wait(id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: ROWS, completed: ROWS, failed: 0 } });
    expect(sha256(await bytesOf(await client.batches.output(id)))).toBe(expected);
    expect(await heir.stop()).toBe(0);
  });
});

describe('a worker that was taken for dead', () => {
  it('changes nothing when it goes on after another has taken its chunk over', async () => {
    // Stopped in the middle of a chunk: its rows take some seconds each.
    const stale = await stack.startWorker();
    const rows = new Uint8Array(Buffer.from(`steps\n${Array.from({ length: 4 }, () => '12000\n').join('')}`));
    const { id } = await client.batches.score({ model: 'slow', output_format: 'csv' }, rows, { filename: 'rows.csv' });
    await eventually(
      async () => {
        const metrics = await (await fetch(`${stale.ready.metricsUrl}/metrics`)).text();
        expect(metrics).toMatch(/sconce_jobs_in_flight\{[^}]*batch[^}]*\} [1-9]/);
      },
      { timeoutMs: 20_000 },
    );
    stale.child.kill('SIGSTOP');
    const heir = await stack.startWorker();
    const batch = await client.batches.wait(id);
    const before = await bytesOf(await client.batches.output(id));
    stale.child.kill('SIGCONT');
    // It ends what it had, finds that nobody wants it, and takes the next batch like any other.
    expect(await heir.stop()).toBe(0);
    const next = await scoreAll(stack.url, DIGITS_TABLE, dataset);
    expect(sha256(await bytesOf(await client.batches.output(next.id)))).toBe(expected);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 4, completed: 4, failed: 0 } });
    expect((await client.batches.get(id)).request_counts).toEqual({ total: 4, completed: 4, failed: 0 });
    expect(before.toString().split('\n').length).toBe(6);
    expect((await bytesOf(await client.batches.output(id))).equals(before)).toBe(true);
  });
});
