import { readFileSync } from 'node:fs';
import { fixturePath } from '@sconce/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { hasEnded } from '@sconce/client';
import { AFFINE_TABLE, batchScorer, bytes, type BatchScorer } from '../support/batch-scorer.ts';
import { startStack, type Stack } from '../support/stack.ts';

// Batches while they run: cancel, retry, partial results, expiry, and several at once.

let stack: Stack;
let scorer: BatchScorer;

beforeAll(async () => {
  stack = await startStack();
  await Promise.all([...(['affine', 'slow'] as const).map((model) => stack.push(model))]);
  scorer = batchScorer(stack.url);
});

/** Rows that take a few tenths of a second each. */
const slowRows = (rows: number): Uint8Array<ArrayBuffer> => bytes(`steps\n${'3000\n'.repeat(rows)}`);

describe('a running batch', () => {
  it('is cancelled within 2 s, keeps its results, and continues when it is retried', async () => {
    const { id } = await scorer.client.batches.score({ model: 'slow' }, slowRows(400), { filename: 'rows.csv' });
    for await (const batch of scorer.client.batches.progress(id)) if (batch.request_counts.completed > 0) break;
    const asked = Date.now();
    expect((await scorer.client.batches.cancel(id)).status).toBe('cancelling');
    const cancelled = await scorer.client.batches.wait(id);
    expect(Date.now() - asked).toBeLessThan(2_000);
    const { completed } = cancelled.request_counts;
    expect(cancelled).toMatchObject({ status: 'cancelled', request_counts: { failed: 0 } });
    expect((await scorer.outputOf(cancelled)).split('\n').length).toBe(completed + 2);
    expect(completed).toBeLessThan(400);
    expect((await scorer.client.batches.cancel(id)).status).toBe('cancelled');
    expect(await scorer.client.batches.retry(id)).toMatchObject({ status: 'in_progress', run: 2 });
    await expect(scorer.client.batches.retry(id)).rejects.toMatchObject({ code: 'batch_not_finished' });
    for await (const batch of scorer.client.batches.progress(id)) if (batch.request_counts.completed > completed) break;
    await scorer.client.batches.cancel(id);
    const again = await scorer.client.batches.wait(id);
    expect(again.request_counts.completed).toBeGreaterThan(completed);
    const retry = async (): Promise<unknown> => {
      const headers = { 'idempotency-key': 'retry' };
      return (await stack.fetch(`/v1/batches/${id}/retry`, { method: 'POST', headers })).json();
    };
    // One run for one key, also when it has ended.
    for (const run of [...(await Promise.all([retry(), retry()])), await retry()])
      expect(run).toMatchObject({ run: 3 });
    await scorer.client.batches.cancel(id);
    await scorer.client.batches.wait(id);
    expect(await retry()).toMatchObject({ status: 'cancelled', run: 3 });
    await expect(scorer.client.files.get(cancelled.output_file_id ?? '')).rejects.toMatchObject({
      code: 'file_not_found',
    });
  });

  it('has partial results, from the first row on', async () => {
    const { id } = await scorer.client.batches.score({ model: 'slow' }, slowRows(300), { filename: 'rows.csv' });
    let lines = 0;
    for await (const batch of scorer.client.batches.progress(id)) {
      if (batch.status !== 'in_progress' || batch.request_counts.completed === 0) continue;
      lines = (await scorer.outputOf(batch)).split('\n').length - 2;
      if (lines > 0) break;
    }
    expect(lines).toBeGreaterThan(0);
    expect(hasEnded(await scorer.client.batches.get(id))).toBe(false);
    await scorer.client.batches.cancel(id);
    await scorer.client.batches.wait(id);
  });

  it('expires at the end of its completion window', async () => {
    const { id } = await scorer.client.batches.score({ model: 'slow', completion_window: '2s' }, slowRows(400), {
      filename: 'rows.csv',
    });
    const batch = await scorer.client.batches.wait(id);
    expect(batch).toMatchObject({ status: 'expired', expired_at: expect.any(Number) });
    expect(batch.request_counts.completed).toBeLessThan(400);
  });

  it('is created once for one Idempotency-Key', async () => {
    const dataset = await scorer.client.files.create(bytes('id,a,b,c,d\n1,1,2,3,4\n'), { filename: 'rows.csv' });
    const request = { ...AFFINE_TABLE, input_file_id: dataset.id };
    const [first, second] = await Promise.all([
      scorer.client.batches.create(request, { idempotencyKey: 'once' }),
      scorer.client.batches.create(request, { idempotencyKey: 'once' }),
    ]);
    expect(second.id).toBe(first.id);
    const other = scorer.client.batches.create({ ...request, priority: 1 }, { idempotencyKey: 'once' });
    await expect(other).rejects.toMatchObject({ code: 'idempotency_conflict' });
  });

  it('has a file and a model version that are made once for one Idempotency-Key', async () => {
    const send = async (
      path: string,
      body: NonNullable<RequestInit['body']>,
    ): Promise<[number, Record<string, unknown>]> => {
      const answer = await stack.fetch(path, { method: 'POST', headers: { 'idempotency-key': 'once' }, body });
      return [answer.status, (await answer.json()) as Record<string, unknown>];
    };
    const form = (text: string): FormData => {
      const made = new FormData();
      made.set('file', new Blob([text]), 'rows.csv');
      made.set('purpose', 'batch');
      return made;
    };
    const files = [await send('/v1/files', form('a\n1\n')), await send('/v1/files', form('a\n1\n'))];
    expect(files.map(([status, { id }]) => [status, id])).toEqual([1, 2].map(() => [200, files[0]?.[1]['id']]));
    expect((await send('/v1/files', form('a\n2\n')))[0]).toBe(422);
    const model = readFileSync(fixturePath('affine'));
    const push = (body: NonNullable<RequestInit['body']>): Promise<[number, Record<string, unknown>]> =>
      send('/v1/models/keyed/versions', body);
    const pushed = [...(await Promise.all([push(model), push(model)])), await push(model)];
    const [version] = pushed.map((answer) => answer[1]['version']);
    expect(pushed.map(([status, answer]) => [status, answer['version']])).toEqual([1, 2, 3].map(() => [202, version]));
    const listed = (await (await stack.fetch('/v1/models/keyed')).json()) as { versions: unknown[] };
    expect(listed.versions).toHaveLength(1);
    expect((await push(readFileSync(fixturePath('slow'))))[0]).toBe(422);
    expect((await stack.fetch(`/v1/models/keyed/versions/${version}?force=true`, { method: 'DELETE' })).status).toBe(
      204,
    );
    expect((await push(model))[0]).toBe(422);
  });
});

describe('two batches', () => {
  it('share the workers: a small one does not wait for a large one', async () => {
    const { id: large } = await scorer.client.batches.score({ model: 'slow' }, slowRows(2_000), {
      filename: 'rows.csv',
    });
    for await (const batch of scorer.client.batches.progress(large)) if (batch.request_counts.completed > 0) break;
    const began = Date.now();
    const small = await scorer.score(AFFINE_TABLE, 'id,a,b,c,d\n1,1,2,3,4\n');
    expect(small.status).toBe('completed');
    expect(Date.now() - began).toBeLessThan(20_000);
    expect(hasEnded(await scorer.client.batches.get(large))).toBe(false);
    await scorer.client.batches.cancel(large);
    await scorer.client.batches.wait(large);
  });
});
