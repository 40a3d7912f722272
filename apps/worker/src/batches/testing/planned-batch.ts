import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchSpec } from '@sconce/contracts';
import type { BatchRecord } from '@sconce/queue';
import { deliveryOf, type BatchWorker } from './batch-worker.ts';
import { storeColumn, tableSpec } from './table-batch.ts';

// For specs: one batch, led by planners that the spec calls.

export const BATCH = 'batch_1';
/** The planner job of the batch's first run. */
export const JOB = { v: 1, batchId: BATCH, run: 1 } as const;

/** Writes a batch's record and its dataset. No planner has it yet. */
export async function submit(
  worker: BatchWorker,
  values: readonly (number | string)[],
  over: Partial<BatchSpec> & { expiresInMs?: number } = {},
): Promise<void> {
  const { expiresInMs, ...spec } = over;
  await storeColumn(worker.store, 'rows', values);
  await worker.submit(BATCH, tableSpec('rows', spec), expiresInMs);
}

/** Moves the times of the batch's record into the past, as if so long had passed. */
export async function moveBack({ connections }: BatchWorker, ms: number): Promise<void> {
  const { patient: redis, keys } = connections;
  const key = keys.batch(BATCH);
  for (const [name, value] of Object.entries(await redis.hgetall(key))) {
    if (/^(cancelling|finalizing)_at$/.test(name)) await redis.hset(key, name, Number(value) - ms);
    if (name === 'expires_at') await redis.hset(key, name, Math.min(Number(value), Date.now() - ms));
  }
}

export async function recordOf({ work }: BatchWorker): Promise<BatchRecord> {
  const record = await work.records.get(BATCH);
  if (record === undefined) throw new Error('the batch is gone');
  return record;
}

/** The indexes of the chunks that have a queue job: its id is `{batch}-{run}-{index}`. */
export async function queuedChunks({ connections }: BatchWorker): Promise<number[]> {
  const { patient: redis, keys } = connections;
  const jobs = `${keys.bullmq}:sconce.default.batch:${BATCH}-1-`;
  return (await redis.keys(`${jobs}*`)).map((key) => Number(key.slice(jobs.length))).sort((a, b) => a - b);
}

/** Has the worker score the planned chunks until `until` is true of the record. */
export async function scoreUntil(worker: BatchWorker, until: (record: BatchRecord) => boolean): Promise<void> {
  await poll(async () => {
    const record = await recordOf(worker);
    if (until(record)) return true;
    for (const { index, range } of await worker.work.records.openChunks(BATCH)) {
      const { model, version } = record.spec;
      await worker.chunks.handle(deliveryOf({ v: 1, batchId: BATCH, run: record.run, index, model, version, range }));
      worker.planner.notices.notify(BATCH);
    }
    return false;
  });
}

/** Waits until `is` is true of the record. */
export const reach = (worker: BatchWorker, is: (record: BatchRecord) => boolean): Promise<void> =>
  poll(async () => is(await recordOf(worker)));

async function poll(check: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (!(await check())) {
    if (performance.now() > deadlineMs) throw new Error('the batch did not get there within 30 s');
    await sleep(20);
  }
}

export const planned = (record: BatchRecord): boolean => record.status === 'in_progress' && record.chunksPlanned > 0;
export const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
export const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

/** The lines of a file of results. */
export async function linesOf({ work, store }: BatchWorker, fileId: string | undefined): Promise<string[]> {
  const file = fileId === undefined ? undefined : await work.files.get(fileId);
  if (file?.content.kind !== 'parts') throw new Error('there is no such file');
  const list = await store.get(file.content.key, { maxBytes: 2 ** 20 });
  const { begin, parts } = JSON.parse(Buffer.from(list ?? []).toString()) as {
    begin: string;
    parts: { key: string; bytes: number }[];
  };
  const pieces: Uint8Array[] = [Buffer.from(begin, 'base64')];
  for (const { key } of parts) pieces.push((await store.get(key, { maxBytes: 2 ** 20 })) ?? Buffer.alloc(0));
  return Buffer.concat(pieces).toString().trim().split('\n');
}
